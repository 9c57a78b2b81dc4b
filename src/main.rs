//! The binary: hands over to the library's command line.

fn main() -> std::process::ExitCode {
    forbid_runtime_telemetry();
    gridwatch::cli::main()
}

/// ONNX Runtime keeps a device id and reports usage unless this is set before it is loaded. A box beside
/// street cameras reports to its township and to nobody else.
fn forbid_runtime_telemetry() {
    #[allow(unsafe_code, reason = "the variable is read by a library, which offers no other way")]
    // SAFETY: the first statement of the program, while it has one thread: nobody reads the environment.
    unsafe {
        std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
    }
}
