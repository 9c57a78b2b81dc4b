//! One network in memory: built with the wanted provider, run on a prepared tensor.

use ort::ep::{self, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{Outlet, Tensor, TensorElementType, ValueRef};

use super::{LoadError, OnnxOptions, Runtime, provider_name};
use crate::config::model::Provider;
use crate::inference::decode::{Output, Values};
use crate::inference::manifest::{Decoder, Layout, Manifest};

/// A network, its tensors and where it runs.
#[derive(Debug)]
pub(super) struct Network {
    session: Session,
    input_name: String,
    /// Filled before each run.
    input: Tensor<f32>,
    /// Constant second input of some DETR exports.
    size_input: Option<(String, Tensor<i64>)>,
    pub(super) provider: Provider,
    /// Why the wanted provider is not in use.
    pub(super) fallback_reason: Option<String>,
}

impl Network {
    /// Loads checked weights.
    pub(super) fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        weights: &[u8],
        options: OnnxOptions,
    ) -> Result<Self, LoadError> {
        let (session, provider, fallback_reason) = open(runtime, manifest, weights, options)?;
        let wrong =
            |reason: String| LoadError::Input { model: manifest.name.clone(), manifest: manifest.path.clone(), reason };
        let (width, height) = (i64::from(manifest.input.width), i64::from(manifest.input.height));
        let shape = match manifest.input.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        };
        let outlet = picture_input(&session, manifest).map_err(wrong)?;
        check_shape(outlet, shape).map_err(wrong)?;
        let input_name = outlet.name().to_owned();
        let numbers = manifest.input.width as usize * manifest.input.height as usize * 3;
        let tensor = |error: ort::Error| wrong(error.message().to_owned());
        let input = Tensor::from_array((shape, vec![0.0; numbers])).map_err(tensor)?;
        let size_input = match &manifest.decoder {
            Decoder::Detr(params) => params.size_input.clone(),
            Decoder::Yolox(_) | Decoder::Ultralytics(_) | Decoder::Nanodet(_) | Decoder::Picodet(_) => None,
        };
        let size_input = size_input
            .map(|name| Tensor::from_array(([1, 2], vec![width, height])).map(|size| (name, size)))
            .transpose()
            .map_err(tensor)?;
        Ok(Self { session, input_name, input, size_input, provider, fallback_reason })
    }

    /// Where the next picture goes.
    pub(super) fn input_mut(&mut self) -> &mut [f32] {
        self.input.extract_tensor_mut().1
    }

    /// Runs on what [`Network::input_mut`] holds and hands the outputs to `read`.
    pub(super) fn run<T>(&mut self, read: impl FnOnce(&[Output<'_>]) -> T) -> Result<T, String> {
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = vec![(&self.input_name, (&self.input).into())];
        if let Some((name, size)) = &self.size_input {
            inputs.push((name, size.into()));
        }
        let outputs = self.session.run(inputs).map_err(|error| error.message().to_owned())?;
        let values: Vec<_> = outputs.iter().collect();
        let outputs: Vec<_> = values.iter().filter_map(|(name, value)| view(name, value)).collect();
        Ok(read(&outputs))
    }
}

/// `None` for kinds of numbers that no decoder asks for.
fn view<'a>(name: &'a str, value: &'a ValueRef<'_>) -> Option<Output<'a>> {
    if let Ok((shape, values)) = value.try_extract_tensor::<f32>() {
        return Some(Output { name, shape, values: Values::F32(values) });
    }
    let (shape, values) = value.try_extract_tensor::<i64>().ok()?;
    Some(Output { name, shape, values: Values::I64(values) })
}

/// The session, the provider that it really has, and why that is not the wanted one.
fn open(
    runtime: &Runtime,
    manifest: &Manifest,
    weights: &[u8],
    options: OnnxOptions,
) -> Result<(Session, Provider, Option<String>), LoadError> {
    let on_cpu = || {
        build(runtime, weights, options.threads, Provider::Cpu).map_err(|reason| LoadError::Model {
            model: manifest.name.clone(),
            path: manifest.model_file.clone(),
            reason,
        })
    };
    if options.provider == Provider::Cpu {
        return Ok((on_cpu()?, Provider::Cpu, None));
    }
    match build(runtime, weights, options.threads, options.provider) {
        Ok(session) => Ok((session, options.provider, None)),
        Err(reason) if options.allow_cpu_fallback => Ok((on_cpu()?, Provider::Cpu, Some(reason))),
        Err(reason) => {
            let provider = provider_name(options.provider);
            Err(LoadError::Provider { model: manifest.name.clone(), provider, reason })
        }
    }
}

fn build(runtime: &Runtime, weights: &[u8], threads: u16, provider: Provider) -> Result<Session, String> {
    // The binding's default is to go on without a provider that fails.
    let preferred = match provider {
        Provider::Cpu => None,
        Provider::Cuda => Some(ep::CUDA::default().build().error_on_failure()),
        Provider::OpenVino => Some(ep::OpenVINO::default().build().error_on_failure()),
    };
    // The arena keeps its largest size for ever and is not faster on fixed shapes.
    let cpu = ep::CPU::default().with_arena_allocator(false).build();
    let providers: Vec<_> = preferred.into_iter().chain([cpu]).collect();
    commit(runtime, weights, usize::from(threads.max(1)), &providers).map_err(|error| error.message().to_owned())
}

/// Pictures come a few times a second: a pool that spins between them would burn a core.
fn commit(
    runtime: &Runtime,
    weights: &[u8],
    threads: usize,
    providers: &[ExecutionProviderDispatch],
) -> ort::Result<Session> {
    Session::builder(&runtime.environment)?
        // Warnings are about how a model was exported: one line a weight, of no use here.
        .with_log_level(LogLevel::Error)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_execution_providers(providers)?
        .commit_from_memory(weights)
}

fn picture_input<'s>(session: &'s Session, manifest: &Manifest) -> Result<&'s Outlet, String> {
    let inputs = session.inputs();
    let found = match &manifest.input.name {
        Some(name) => inputs.iter().find(|outlet| outlet.name() == name),
        None => inputs.first(),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = inputs.iter().map(Outlet::name).collect();
        let wanted = manifest.input.name.as_deref().unwrap_or("any");
        format!("the model has no input `{wanted}` (it has: {})", names.join(", "))
    })
}

/// Axes that the model leaves open are -1 and take any size.
fn check_shape(outlet: &Outlet, wanted: [i64; 4]) -> Result<(), String> {
    let name = outlet.name();
    if outlet.dtype().tensor_type() != Some(TensorElementType::Float32) {
        return Err(format!("input `{name}` does not take 32-bit floats"));
    }
    let shape = outlet.dtype().tensor_shape().map(|shape| &shape[..]).unwrap_or_default();
    let fits = shape.len() == wanted.len() && shape.iter().zip(wanted).all(|(&has, wants)| has < 0 || has == wants);
    if fits { Ok(()) } else { Err(format!("input `{name}` has shape {shape:?}, but the manifest gives {wanted:?}")) }
}
