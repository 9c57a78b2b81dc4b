use std::cell::RefCell;
use std::time::Duration;

use super::*;

const MANIFEST: &str = "name = \"small\"\n";

fn load(text: &str) -> Result<Catalogue, CatalogueError> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("small.toml"), MANIFEST).expect("written");
    let file = folder.path().join("catalogue.toml");
    std::fs::write(&file, text).expect("written");
    Catalogue::load(&file)
}

fn small() -> String {
    let sha256 = "0".repeat(64);
    format!(
        "[[model]]\nname = \"small\"\nurl = \"https://hub.example/a/b/small_1.onnx?download=true\"\nbytes = 100\n\
         sha256 = \"{sha256}\"\nsource_of_fact = \"quoted\"\n"
    )
}

#[test]
fn the_programs_own_catalogue_is_whole_and_safe() {
    let catalogue = Catalogue::embedded().expect("a catalogue");
    assert!(catalogue.entries.len() >= 5);
    for entry in &catalogue.entries {
        assert_eq!(entry.url.scheme(), "https", "{}", entry.name);
        assert!(entry.url.username().is_empty() && entry.note.is_some(), "{}", entry.name);
    }
}

#[test]
fn an_entry_brings_the_manifest_beside_it() {
    let catalogue = load(&small()).expect("a catalogue");
    let entry = catalogue.get("small").expect("an entry");
    assert_eq!((entry.manifest.as_str(), entry.source_of_fact), (MANIFEST, SourceOfFact::Quoted));
    assert!(catalogue.get("smal").is_none());
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("name = \"small\"", "name = \"../small\"", "model `../small`: a name has"),
        ("name = \"small\"", "name = \"..\"", "a name has"),
        ("name = \"small\"", "name = \"other\"", "other.toml: cannot be read"),
        ("https://", "ftp://", "`url` must begin with https://"),
        ("bytes = 100", "bytes = 0", "`bytes` must lie between"),
        ("bytes = 100", "byte = 100", "unknown field `byte`"),
        ("\"0000", "\"000", "`sha256` must have 64"),
        ("quoted", "rumour", "unknown variant `rumour`"),
    ];
    for (from, to, wanted) in cases {
        let error = load(&small().replace(from, to)).expect_err(to).to_string();
        assert!(error.contains(wanted), "{to}: {error}");
    }
    let error = load(&small().repeat(2)).expect_err("named twice").to_string();
    assert!(error.contains("named twice"), "{error}");
}

#[test]
fn a_mirror_is_a_prefix_a_host_or_a_folder() {
    let catalogue = load(&small()).expect("a catalogue");
    let entry = catalogue.get("small").expect("an entry");
    let cases = [
        ("https://proxy.example/{url}", "https://proxy.example/https://hub.example/a/b/small_1.onnx?download=true"),
        ("https://hub.cn.example/{path}", "https://hub.cn.example/a/b/small_1.onnx?download=true"),
        ("http://box.lan/models", "http://box.lan/models/small.onnx"),
        ("http://box.lan/models/", "http://box.lan/models/small.onnx"),
        ("http://box.lan/get?name={file}", "http://box.lan/get?name=small.onnx"),
    ];
    for (mirror, wanted) in cases {
        let mirror: Mirror = mirror.parse().expect("a mirror");
        assert_eq!(mirror.address(entry, "small.onnx").expect("an address").as_str(), wanted);
    }
    for wrong in ["box.lan/models", "ftp://box.lan", "{path}", "", "file:///models"] {
        assert_eq!(wrong.parse::<Mirror>(), Err(MirrorError), "{wrong}");
    }
}

#[test]
fn a_dead_server_is_given_up_and_named_without_its_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("small.onnx");
    // Nobody listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
    let url = format!("http://me:secret@127.0.0.1:{port}/small.onnx").parse().expect("an address");
    let fetch = Fetch { url: &url, bytes: 100, sha256: "", target: &target };
    let client = Client::new(&Proxy::default()).expect("a client");
    let waits = RefCell::new(Vec::new());
    let mut again = 0;
    let error = fetch
        .run(&client, &mut |step| again += usize::from(matches!(step, Step::Again { .. })), &|wait| {
            waits.borrow_mut().push(wait);
        })
        .expect_err("nobody there");
    assert!(error.is_temporary(), "{error}");
    assert!(error.to_string().starts_with(&format!("http://127.0.0.1:{port}/small.onnx: ")), "{error}");
    assert_eq!((again, waits.borrow().len()), (5, 5));
    assert!(waits.borrow().iter().all(|wait| *wait >= Duration::from_millis(500)), "{waits:?}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "nothing is left");
}

#[test]
fn a_file_on_its_way_belongs_to_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("small.onnx");
    let mut held = part::Part::open(&target).expect("ours");
    held.append(b"abc", 100).expect("written");
    held.note_etag("http://a/", Some("\"1\"")).expect("noted");
    assert_eq!((held.etag("http://a/").as_deref(), held.etag("http://b/")), (Some("\"1\""), None));
    assert!(matches!(part::Part::open(&target), Err(FetchError::Busy { .. })));
    drop(held);
    let mut again = part::Part::open(&target).expect("free again");
    assert_eq!(again.length(), 3);
    again.append(b"de", 97).expect("written");
    again.finish().expect("in place");
    assert_eq!(std::fs::read(&target).expect("the file"), b"abcde");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
    let missing = folder.path().join("absent/small.onnx");
    let error = part::Part::open(&missing).expect_err("no folder").to_string();
    assert!(error.contains("the folder is not there"), "{error}");
}

#[test]
fn a_full_disk_is_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("small.onnx");
    std::os::unix::fs::symlink("/dev/full", part_file(&target)).expect("a link");
    let mut part = part::Part::open(&target).expect("ours");
    let error = part.append(b"abc", 40 << 20).expect_err("full").to_string();
    assert!(error.contains("the disk is full: 40 MiB are needed, "), "{error}");
    assert!(part.refuse_full_disk(1).is_ok());
    let error = part.refuse_full_disk(u64::MAX).expect_err("more than there is").to_string();
    assert!(error.contains("the disk is full"), "{error}");
}
