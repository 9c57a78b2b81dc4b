//! What a worker gives up before it reads the first byte of a camera. Whatever the kernel does not offer
//! is left out and said in the log; the gateway watches the worker's memory as well.
//!
//! Not narrowed: to which *hosts* it connects. The kernel can tell ports apart, not addresses.

mod files;
mod system_calls;

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};

use crate::media::boundary::WatchCamera;

/// Files and sockets of one worker: a session has few of either.
const MOST_FILES: u64 = 512;

/// Below the gateway, whose inference must not wait for a flood of pictures.
const NICENESS: i32 = 5;

/// A worker without its gateway has nobody to report to.
pub(super) fn end_with_the_gateway() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // Secrets of its cameras are in its memory.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// To be called while the process has one thread: threads that are there already would keep their rights.
pub(super) fn give_up_rights(cameras: &[WatchCamera], memory_bytes: u64) {
    // Loads what the library needs for looking names up, while files can be opened.
    drop(std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 0)));
    // None for the size of files: it would hold for the log as well, a file that may be large already. No other file is
    // open for writing but the memory for pictures, which is sealed, and Landlock lets none be opened.
    let limits = [
        ("memory", Resource::Data, memory_bytes),
        ("files", Resource::Nofile, MOST_FILES),
        ("core files", Resource::Core, 0),
    ];
    for (what, resource, most) in limits {
        let most = Rlimit { current: Some(most), maximum: Some(most) };
        if let Err(error) = rustix::process::setrlimit(resource, most) {
            tracing::warn!(%error, what, "a media worker cannot be limited");
        }
    }
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a media worker keeps its priority");
    }
    let files = files::give_up(cameras);
    let system_calls = system_calls::give_up();
    match (&files, &system_calls) {
        (Ok(files), Ok(())) => tracing::debug!(files, "rights given up"),
        (Err(error), _) => tracing::warn!(%error, "a media worker keeps its rights to files: no Landlock here"),
        (_, Err(error)) => tracing::warn!(%error, "a media worker keeps all system calls: no seccomp here"),
    }
}
