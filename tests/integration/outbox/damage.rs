//! What can be saved from disks that are dying.

use super::*;

impl Site {
    /// Exports into a new folder; what was said, and the manifest.
    fn export(&self, name: &str) -> ((i32, String, String), Value) {
        let target = self.folder.path().join(name);
        let said = self.outbox(&["export", "--no-audit", target.to_str().unwrap()]);
        let manifest = fs::read(target.join("manifest.json")).unwrap();
        (said, serde_json::from_slice(&manifest).unwrap())
    }
}

fn files(manifest: &Value) -> Vec<String> {
    let files = manifest["files"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap().to_owned());
    files.collect()
}

/// Everything of the state directory as it stands, by name.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(contents(&entry.path()));
        } else {
            found.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_was_not_delivered_is_saved_whole() {
    let site = Site::new().await;
    let before = contents(&site.state());
    let ((code, stdout, stderr), manifest) = site.export("saved");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("saved: 5 files, "), "{stdout}");
    assert_eq!(contents(&site.state()), before, "the store is only read");
    let expected = [(2, "2.json"), (2, "e1.jpg"), (3, "1.json"), (4, "1.json"), (4, "e1.jpg")];
    assert_eq!(files(&manifest), expected.map(|(n, name)| format!("{}/{name}", event(n))));
    let target = site.folder.path().join("saved");
    for file in manifest["files"].as_array().unwrap() {
        let bytes = fs::read(target.join(file["file"].as_str().unwrap())).unwrap();
        assert_eq!((&file["sha256"], &file["bytes"]), (&json!(hexadecimal(&bytes)), &json!(bytes.len())));
    }
    assert_eq!(fs::read(target.join(event(2).to_string()).join("2.json")).unwrap(), b"{\"event\":2,\"seq\":3}");
    assert_eq!((&manifest["unreadable"], &manifest["accounting"]["pending"]), (&json!([]), &json!(3)));
    assert_eq!(manifest["files"][3]["state"], "quarantined");
    let sums = Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&target).output();
    assert!(sums.unwrap().status.success());
    // Not among files of something else.
    let (code, _, stderr) = site.outbox(&["export", target.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(stderr.contains("is not empty"), "{stderr}");
}

/// Every picture that is saved is in the audit, and nothing else has changed.
#[tokio::test]
async fn what_is_saved_is_in_the_audit() {
    let site = Site::new().await;
    let (before, target) = (site.listed(&["--all"]), site.folder.path().join("saved"));
    let (code, _, stderr) = site.outbox(&["export", target.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let manifest: Value = serde_json::from_slice(&fs::read(target.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["audit"], "written");
    assert_eq!(site.listed(&["--all"])["accounting"], before["accounting"]);
    let gridwatch = |arguments: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_gridwatch")).args(arguments).arg("--state-dir").arg(site.state()))
    };
    let (code, stdout, stderr) = gridwatch(&["audit", "list", "--json", "--what", "exported"]);
    assert_eq!(code, 0, "{stderr}");
    let rows: Value = serde_json::from_str(&stdout).unwrap();
    let told: Vec<_> = rows.as_array().unwrap().iter().map(|row| (&row["subject"], &row["sha256"])).collect();
    let expected = [(2, 2), (4, 1)]
        .map(|(n, revision)| (json!(format!("{}/e1", event(n))), json!(hexadecimal(&jpeg(n, revision)))));
    assert_eq!(told, expected.iter().map(|(subject, sha256)| (subject, sha256)).collect::<Vec<_>>());
    assert!(target.join(event(4).to_string()).join("e1.jpg").exists());

    // The whole record, as a person reads it, and checks it.
    let (code, stdout, _) = gridwatch(&["audit", "list", "--last", "1"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("exported") && stdout.ends_with(" rows\n"), "{stdout}");
    let (code, stdout, _) = gridwatch(&["audit", "verify"]);
    assert_eq!(code, 0, "{stdout}");
    let head = stdout.lines().find_map(|line| line.strip_prefix("head: ")).unwrap().to_owned();
    assert_eq!(gridwatch(&["audit", "verify", "--head", &head]).0, 0);
    let database = rusqlite::Connection::open(site.state().join("gridwatch.db")).unwrap();
    database.execute("UPDATE audit SET subject = 'nothing' WHERE number = 2", []).unwrap();
    drop(database);
    let (code, stdout, _) = gridwatch(&["audit", "verify", "--head", &head]);
    assert_eq!((code, stdout.as_str()), (1, "audit: row 2: was changed: its hash is another one\n"));
    assert_eq!(gridwatch(&["audit", "verify", "--head", "7"]).0, 2);
}

/// A power cut, and then a copy of what is left, without the index of the log, in a folder nobody can write to.
#[tokio::test]
async fn the_log_of_a_power_cut_is_read_too() {
    let site = Site::new().await;
    let store = site.open();
    write(&store, 9, 1, Phase::Opened, true).await;
    let left = tempfile::tempdir().unwrap();
    let state = left.path().join("state");
    fs::create_dir_all(state.join("evidence")).unwrap();
    for (path, bytes) in contents(&site.state()) {
        let name = path.strip_prefix(site.state()).unwrap();
        if name != Path::new("gridwatch.db-shm") {
            fs::write(state.join(name), bytes).unwrap();
        }
    }
    assert!(fs::metadata(state.join("gridwatch.db-wal")).unwrap().len() > 0);
    let inspection = Inspection::open(&state, left.path()).unwrap();
    assert!(inspection.survey().messages.iter().any(|message| message.event.0 == event(9)));
    drop(inspection);
    // Beside the store that still works there, too.
    let ((code, ..), manifest) = site.export("beside");
    assert_eq!(code, 0);
    assert!(files(&manifest).contains(&format!("{}/e1.jpg", event(9))), "{manifest:#}");
    store.close().await.unwrap();
}

/// After a power cut, without the index of the log, mounted so that nothing can be written: for whoever may mount.
#[tokio::test]
async fn a_disk_that_can_only_be_read_is_enough() {
    let site = Site::new().await;
    let store = site.open();
    write(&store, 9, 1, Phase::Opened, true).await;
    let state = site.folder.path().join("left");
    fs::create_dir_all(state.join("evidence")).unwrap();
    for (path, bytes) in contents(&site.state()) {
        let name = path.strip_prefix(site.state()).unwrap();
        if name != Path::new("gridwatch.db-shm") {
            fs::write(state.join(name), bytes).unwrap();
        }
    }
    store.close().await.unwrap();
    let within = |script: &str| {
        let read_only = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && ";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &format!("{read_only}{script}")])
            .arg(&state)
            .current_dir(site.folder.path());
        run(command.env("TMPDIR", site.folder.path()))
    };
    if within("! touch \"$0/x\" 2>&1").0 != 0 {
        eprintln!("skipped: a_disk_that_can_only_be_read_is_enough: mounting is not allowed");
        return;
    }
    let program = env!("CARGO_BIN_EXE_gridwatch");
    let (code, stdout, stderr) = within(&format!("'{program}' outbox export saved --state-dir \"$0\""));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let manifest = serde_json::from_slice(&fs::read(site.folder.path().join("saved/manifest.json")).unwrap()).unwrap();
    assert!(files(&manifest).contains(&format!("{}/e1.jpg", event(9))), "{manifest:#}");
    assert!(
        fs::read_dir(site.folder.path())
            .unwrap()
            .flatten()
            .all(|e| !e.file_name().to_string_lossy().contains("gridwatch-"))
    );
    let (code, _, stderr) = within(&format!("'{program}' outbox requeue 1 --state-dir \"$0\""));
    assert_eq!(code, 1);
    assert!(stderr.contains("gridwatch.db: "), "{stderr}");
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_is_saved() {
    let site = Site::new().await;
    let of = |n: u64| site.state().join(format!("evidence/{n}.jpg"));
    // Pictures are numbered from 1: of events 1, 2 and 4.
    fs::remove_file(of(2)).unwrap();
    fs::write(of(3), b"altered").unwrap();
    let ((code, stdout, stderr), manifest) = site.export("saved");
    assert_eq!(code, 1, "{stdout}");
    assert_eq!(
        files(&manifest),
        [(2, "2.json"), (3, "1.json"), (4, "1.json")].map(|(n, name)| format!("{}/{name}", event(n)))
    );
    let unreadable = manifest["unreadable"].as_array().unwrap();
    assert_eq!(unreadable.len(), 2, "{manifest:#}");
    assert_eq!(unreadable[0]["what"], format!("picture e1 of event {}", event(2)));
    assert!(unreadable[1]["why"].as_str().unwrap().contains("SHA-256"), "{manifest:#}");
    assert!(stderr.contains(&format!("picture e1 of event {} cannot be read", event(4))), "{stderr}");
}

#[tokio::test]
async fn any_page_of_the_database_may_be_lost() {
    const PAGE: usize = 1024;
    const SCHEMA_PAGES: usize = 16;
    let site = Site { folder: tempfile::tempdir().unwrap() };
    let store = site.open();
    for n in 1..=60 {
        write(&store, n, 1, Phase::Opened, false).await;
    }
    store.close().await.unwrap();
    let file = site.state().join("gridwatch.db");
    let whole = fs::read(&file).unwrap();
    let (mut some, mut all, mut none) = (0, 0, 0);
    for page in 0..whole.len() / PAGE {
        let mut torn = whole.clone();
        torn[page * PAGE..(page + 1) * PAGE].fill(0);
        fs::write(&file, torn).unwrap();
        let inspection = match Inspection::open(&site.state(), site.folder.path()) {
            Ok(inspection) => inspection,
            Err(error) => {
                assert!(error.to_string().contains("gridwatch.db: "), "{error}");
                // Without the pages of its schema nothing is known.
                none += 1;
                continue;
            }
        };
        let survey = inspection.survey();
        let complete = survey.messages.len() == 60;
        assert!(complete || !survey.unreadable.is_empty(), "page {page}: something is missing and not said");
        if complete {
            all += 1;
        } else {
            some += usize::from(!survey.messages.is_empty());
        }
        for message in &survey.messages {
            if let Ok(body) = inspection.body(message) {
                assert_eq!(
                    body,
                    json!({ "event": message.seq.unwrap().0, "seq": message.seq }).to_string().into_bytes()
                );
            }
        }
    }
    assert!(some >= 1 && all >= 10 && (1..=SCHEMA_PAGES).contains(&none), "{some} {all} {none}");
}

#[tokio::test]
async fn what_is_no_store_of_ours_is_refused_in_plain_words() {
    let site = Site::new().await;
    let file = site.state().join("gridwatch.db");
    let whole = fs::read(&file).unwrap();
    let mut newer = whole.clone();
    // `user_version`, big-endian, in the file header.
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let mut foreign = whole.clone();
    foreign[68..72].fill(0);
    let garbage = b"garbage, and not a little of it".repeat(200);
    for (bytes, words) in [
        (newer, "written by a newer gridwatch (schema 99, this one knows 2)"),
        (foreign, "not a database of gridwatch"),
        (garbage, "cannot be opened or read"),
        (Vec::new(), "not a database of gridwatch"),
    ] {
        fs::write(&file, &bytes).unwrap();
        for arguments in [&["list"][..], &["show", "1"], &["export", "nowhere"], &["requeue", "1"]] {
            let (code, stdout, stderr) = site.outbox(arguments);
            assert_eq!((code, stdout.as_str()), (1, ""), "{arguments:?}");
            assert!(stderr.contains("gridwatch.db: ") && stderr.contains(words), "{arguments:?}: {stderr}");
        }
        assert_eq!(fs::read(&file).unwrap(), bytes, "not touched");
    }
}
