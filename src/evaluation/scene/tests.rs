use super::*;

const CONFIG: &str = r#"
[gateway]
id = "gw-eval"
county_code = "330902"
town_code = "101"
village_code = "330902101007"

[inference]
runtime_library = "libonnxruntime.so"
model = "street.toml"

[[camera]]
id = "east"
url = "file:pictures.mp4"

[[camera.zone]]
id = "walkway"
polygon = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]

[[camera.encroachment]]
id = "stalls"
zone = "walkway"
"#;

const SCENE: &str = r#"version = 1
truth = "truth.jsonl"
start = 2026-06-01T10:00:00+08:00
seconds = 600.0
conditions = ["day"]
story = "stall"
split = "tuning"
stock = "novel"

[[incident]]
kind = "encroachment"
zone = "walkway"
from_s = 95.0

[[ignore]]
kind = "encroachment"
zone = "walkway"
from_s = 0
until_s = 60
"#;

fn folder(scene: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("set/one");
    std::fs::create_dir_all(&inner).unwrap();
    for (name, text) in [(SCENE_FILE, scene), (CONFIG_FILE, CONFIG), ("truth.jsonl", "{\"t\": 0}\n")] {
        std::fs::write(inner.join(name), text).unwrap();
    }
    folder
}

fn errors(scene: &str) -> Vec<String> {
    let folder = folder(scene);
    let errors = find(folder.path(), |_| true).map(|_| ()).unwrap_err();
    let below = |error: &SceneError| error.to_string().replace(&format!("{}/set/one/", folder.path().display()), "");
    errors.0.iter().map(below).collect()
}

#[test]
fn a_scene_is_found_and_read() {
    let folder = folder(SCENE);
    let scenes = find(folder.path(), |name| name.contains("one")).unwrap();
    let scene = &scenes[0];
    assert_eq!((scene.name.as_str(), scene.stock.as_str(), scene.split.as_str()), ("set/one", "novel", "tuning"));
    assert_eq!(scene.camera().id.as_str(), "east");
    assert_eq!(scene.incidents, [Span { until_s: 600.0, from_s: 95.0, ..scene.ignored[0].clone() }]);
    assert_eq!(scene.start.to_string(), "2026-06-01T02:00:00Z");
    assert!(find(folder.path(), |name| name.contains("two")).is_err(), "a filter that keeps nothing is a mistake");
}

#[test]
fn mistakes_name_file_line_and_key() {
    let cases = [
        (("story = \"stall\"", "storey = \"stall\""), "scene.toml:6: storey: unknown field `storey`"),
        (("version = 1", "version = 2"), "scene.toml:1: version: is 2, only 1 is known"),
        (
            (
                "kind = \"encroachment\"\nzone = \"walkway\"\nfrom_s = 95.0",
                "kind = \"littering\"\nzone = \"walkway\"\nfrom_s = 95.0",
            ),
            "scene.toml:11: kind: unknown variant `littering`",
        ),
        (
            ("zone = \"walkway\"\nfrom_s = 95.0", "zone = \"kerb\"\nfrom_s = 95.0"),
            "scene.toml:12: zone: no encroachment rule of gridwatch.toml watches zone `kerb`",
        ),
        (("from_s = 95.0", "from_s = 700.0"), "scene.toml:13: from_s: must be less than `until_s` (600)"),
        (("truth.jsonl", "truth.json"), "scene.toml:2: truth: truth.json does not exist"),
        (("+08:00", ""), "scene.toml:3: start: must be a moment with an offset"),
        (("seconds = 600.0", "seconds = \"long\""), "scene.toml:4: seconds: invalid type"),
        (
            ("version = 1\n", "version = 1\ncamera = \"west\"\n"),
            "scene.toml:2: camera: `camera` must be one of gridwatch.toml: east",
        ),
    ];
    for ((from, to), expected) in cases {
        assert!(SCENE.contains(from), "{from}");
        let found = errors(&SCENE.replacen(from, to, 1));
        assert!(found[0].starts_with(expected), "expected {expected}, found {found:?}");
    }
}

#[test]
fn a_wrong_configuration_is_a_wrong_scene() {
    let folder = folder(SCENE);
    let file = folder.path().join("set/one").join(CONFIG_FILE);
    std::fs::write(&file, CONFIG.replace("zone = \"walkway\"", "zone = \"kerb\"")).unwrap();
    let errors = find(folder.path(), |_| true).map(|_| ()).unwrap_err();
    assert!(errors.to_string().contains("gridwatch.toml:"), "{errors}");
}
