//! Files and ports, by Landlock.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use crate::media::boundary::{ResolvedSource, WatchCamera};

/// The newest that is asked for; older kernels give what they have.
const NEWEST: ABI = ABI::V6;

/// What looking up a name reads, in the order of resolver(5), and the libraries that may be loaded for it.
const FOR_NAMES: [&str; 12] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ld.so.cache",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/usr/lib",
    "/lib",
];

const RTSP_PORT: u16 = 554;
const DNS_PORT: u16 = 53;

/// Leaves reading what names need and the clips of `cameras`, and connecting to their ports. Answers how
/// much of it holds here.
pub(super) fn give_up(cameras: &[WatchCamera]) -> Result<&'static str, RulesetError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(NEWEST);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let mut ports = vec![DNS_PORT];
    let mut clips = Vec::new();
    for camera in cameras {
        match &camera.source {
            ResolvedSource::Rtsp { url, .. } => ports.push(url.port().unwrap_or(RTSP_PORT)),
            ResolvedSource::File { path, .. } => clips.push(path.clone()),
        }
    }
    for path in FOR_NAMES.iter().map(PathBuf::from).chain(clips) {
        rules = allow(rules, &path, reading)?;
    }
    for port in ports {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => "fully",
        RulesetStatus::PartiallyEnforced => "as far as this kernel can",
        RulesetStatus::NotEnforced => "not at all",
    })
}

/// What is not there needs no right.
fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    rules.add_rule(PathBeneath::new(opened, access))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::config::{DecodeMode, Transport};
    use crate::domain::camera::CameraId;

    fn camera(source: ResolvedSource) -> WatchCamera {
        let id = CameraId::new("c").expect("an id");
        WatchCamera { id, source, decode: DecodeMode::Auto, ring_max_bytes: 1 << 20 }
    }

    #[test]
    fn a_thread_reads_its_clip_and_calls_its_camera_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (clip, other) = (folder.path().join("clip"), folder.path().join("other"));
        for file in [&clip, &other] {
            std::fs::write(file, "x").expect("written");
        }
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [own, foreign] = listeners.each_ref().map(|listener| listener.local_addr().expect("an address"));
        let url = format!("rtsp://{own}/").parse().expect("a URL");
        let cameras = [
            camera(ResolvedSource::File { path: clip.clone(), repeat: false }),
            camera(ResolvedSource::Rtsp { url, username: None, password: None, transport: Transport::Tcp }),
        ];
        let work = move || {
            let held = give_up(&cameras).expect("rules");
            if held == "not at all" {
                return held;
            }
            assert!(std::fs::read(&clip).is_ok());
            assert!(std::fs::read("/etc/hosts").is_ok(), "names can be looked up");
            for denied in [std::fs::read(&other), std::fs::read("/etc/passwd"), std::fs::read("/proc/self/environ")] {
                assert_eq!(denied.expect_err("denied").kind(), ErrorKind::PermissionDenied);
            }
            assert!(std::fs::write(&clip, "y").is_err(), "its clip is not its to change");
            assert!(TcpStream::connect(own).is_ok());
            if held == "fully" {
                assert_eq!(TcpStream::connect(foreign).expect_err("denied").kind(), ErrorKind::PermissionDenied);
            }
            held
        };
        if std::thread::spawn(work).join().expect("the thread lives") == "not at all" {
            println!("skipped: this kernel has no Landlock");
        }
    }
}
