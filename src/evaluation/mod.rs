//! How often the rules are right, on scenes whose truth is known. See `docs/evaluation.md`.
//!
//! ```text
//! scene.toml, gridwatch.toml ─▶ scene ──┐
//! truth.jsonl ─▶ truth ─▶ noise, street ┴▶ journal ─┐   the loop of        ┌▶ recorder ─▶ matching ─▶ summary
//! clip ─▶ decoder, model ───────────────────────────┴▶ pipeline::analyze ──┘                  table, report ◀┘
//! ```
//! A journal stands in for pixels and detector; everything behind them is what runs live.

pub mod agreement;
pub mod exhibit;
pub mod figures;
mod ground;
pub mod inference;
pub mod journal;
pub mod matching;
pub mod noise;
#[cfg(test)]
mod properties;
pub mod recorder;
pub mod redaction;
pub mod report;
pub mod run;
pub mod scene;
pub mod street;
pub mod summary;
pub mod table;
pub mod truth;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;

use inference::Sessions;
use noise::Noise;
use run::{Run, run_clip, run_journal};
use scene::{Scene, SceneErrors};
use summary::Summary;

/// What to evaluate, and how.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// Manifest of the model that looks, instead of those that the scenes' configurations name.
    pub model: Option<PathBuf>,
    /// The inference runtime, instead of those that they name.
    pub runtime_library: Option<PathBuf>,
    /// Run journals also of scenes that have pixels.
    pub journals: bool,
    /// Of journals.
    pub noise: Noise,
    /// Only scenes whose name, folder or story is like this pattern; see [`is_like`].
    pub only: Option<String>,
    /// Scenes at a time.
    pub jobs: usize,
}

/// Runs of a journal that are one task: enough that what they share costs little, few enough to be spread.
const REPEATS_AT_ONCE: u32 = 16;

/// One thing to do: a scene, and which runs of it.
struct Task<'a> {
    scene: &'a Scene,
    /// `None` is from pixels.
    repeats: Option<Range<u32>>,
}

/// Reads every scene below `folder`.
pub fn find_scenes(folder: &Path, options: &EvalOptions) -> Result<Vec<Scene>, SceneErrors> {
    let wanted = |name: &str| {
        let folder = name.rsplit('/').next().unwrap_or(name);
        options.only.as_deref().is_none_or(|only| is_like(only, name) || is_like(only, folder))
    };
    let mut scenes = scene::find(folder, wanted)?;
    for scene in &mut scenes {
        let inference = &mut scene.config.inference;
        // Workers share the cores; a session that takes them all would slow the others down.
        inference.threads = 1;
        if let Some(library) = &options.runtime_library {
            inference.runtime_library.clone_from(library);
        }
        if let Some(model) = &options.model {
            inference.model.clone_from(model);
            scene.config.cameras.iter_mut().for_each(|camera| camera.model = None);
        }
    }
    Ok(scenes)
}

/// Whether `name` is like `pattern`, in which `*` stands for anything and `?` for one character.
#[must_use]
pub fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    // `split` gives at least one part.
    let Some(mut rest) = parts.next().and_then(|start| after_start(start, name)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The first place leaves most for those that follow.
        let places = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        let Some(after) = places.into_iter().find_map(|at| after_start(part, &rest[at..])) else { return false };
        rest = after;
    }
    let (length, wanted) = (rest.chars().count(), end.chars().count());
    let tail: String = rest.chars().skip(length.saturating_sub(wanted)).collect();
    length >= wanted && after_start(end, &tail) == Some("")
}

/// What follows `start` in `name`, if it begins with it.
fn after_start<'a>(start: &str, name: &'a str) -> Option<&'a str> {
    let mut rest = name.chars();
    start
        .chars()
        .all(|wanted| rest.next().is_some_and(|found| wanted == '?' || wanted == found))
        .then_some(rest.as_str())
}

/// Runs `scenes` and adds up what came of them.
pub fn evaluate(scenes: &[Scene], options: &EvalOptions) -> anyhow::Result<Summary> {
    let tasks = tasks(scenes, options);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<anyhow::Result<Vec<Run>>>>> = Mutex::new(tasks.iter().map(|_| None).collect());
    let workers = options.jobs.clamp(1, tasks.len().max(1));
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| work(&tasks, &next, &done, options.noise))).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(ended) => ended,
            Err(_) => anyhow::bail!("a worker panicked"),
        })
    })?;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let runs: anyhow::Result<Vec<Vec<Run>>> = done.into_iter().flatten().collect();
    Ok(Summary::of(runs?.into_iter().flatten().collect(), options.noise))
}

fn tasks<'a>(scenes: &'a [Scene], options: &EvalOptions) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for scene in scenes {
        let from_pixels = scene.clip.is_some() && !options.journals;
        if from_pixels {
            tasks.push(Task { scene, repeats: None });
        } else if scene.truth.is_some() {
            let all = options.noise.repeats;
            let first = (0..all).step_by(REPEATS_AT_ONCE as usize);
            tasks.extend(first.map(|first| Task { scene, repeats: Some(first..all.min(first + REPEATS_AT_ONCE)) }));
        } else {
            tracing::warn!(scene = scene.name, "has no `truth`, so there is no journal to run");
        }
    }
    tasks
}

fn work(
    tasks: &[Task<'_>],
    next: &AtomicUsize,
    done: &Mutex<Vec<Option<anyhow::Result<Vec<Run>>>>>,
    noise: Noise,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut sessions = Sessions::default();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(Task { scene, repeats }) = tasks.get(index) else { break };
        let runs = runtime.block_on(async {
            match repeats {
                Some(repeats) => run_journal(scene, noise, repeats.clone()).await,
                None => run_clip(scene, &mut sessions).await.map(|run| vec![run]),
            }
        });
        let failed = runs.is_err();
        done.lock().unwrap_or_else(PoisonError::into_inner)[index] =
            Some(runs.with_context(|| format!("scene {}", scene.name)));
        if failed {
            // The others stop at the end of their scenes.
            next.store(tasks.len(), Ordering::Relaxed);
            break;
        }
    }
    sessions.stop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn patterns_are_those_of_a_shell() {
        let like = ["stall_set_up-7", "stall_*", "*-7", "*set*", "s*_*-?", "*", "stall_set_up-*7", "**"];
        assert!(like.iter().all(|pattern| is_like(pattern, "stall_set_up-7")));
        let unlike = ["stall", "set", "*-8", "stall_set_up-7?", "", "a*", "*7*7", "stall_set_up-7*7"];
        assert!(unlike.iter().all(|pattern| !is_like(pattern, "stall_set_up-7")));
        assert!(is_like("", "") && is_like("*", "") && is_like("市?-*", "市场-1"));
    }
}
