//! The binary: hands over to the library's command line.

fn main() -> std::process::ExitCode {
    forbid_runtime_telemetry();
    give_memory_back();
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

/// Pictures, and what is made of them, are large and live for a moment, in one thread or another. By default glibc raises the size from
/// which it returns memory at once, and keeps a heap for every thread: that was more than half of what the program took.
#[cfg(target_env = "gnu")]
fn give_memory_back() {
    #[allow(unsafe_code, reason = "there is no other way to say this to the allocator")]
    // SAFETY: plain numbers, while the program has one thread; a value that is refused changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 << 10);
    }
}

#[cfg(not(target_env = "gnu"))]
fn give_memory_back() {}
