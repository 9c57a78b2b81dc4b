use super::*;

const GOOD: &str = r#"name = "small"
version = "1"
file = "small.onnx"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
licence = "Apache-2.0"
origin = "made for this test"
labels = ["person", "truck"]
min_score = 0.4

[input]
width = 416
height = 416
color = "bgr"
resize = "letterbox_top_left"

[decoder.yolox]
output = "output"
strides = [8, 16, 32]

[roles]
truck = ["truck", "vehicle"]
"#;

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(text, Path::new("models/small.toml"), None)
}

fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse(&GOOD.replace(from, to)).expect_err("refused").to_string()
}

#[test]
fn maps_labels_to_roles() {
    let manifest = parse(GOOD).expect("a manifest");
    assert!(manifest.roles[0].is_empty());
    assert_eq!(manifest.roles[1], [Role::Truck, Role::Vehicle].into_iter().collect());
    assert_eq!(manifest.model_file, Path::new("models/small.onnx"));
    let elsewhere = Manifest::parse(GOOD, Path::new("models/small.toml"), Some(Path::new("weights")));
    assert_eq!(elsewhere.expect("a manifest").model_file, Path::new("weights/small.onnx"));
}

#[test]
fn mistakes_are_named_with_line_and_key() {
    let cases = [
        ("min_score = 0.4", "min_scor = 0.4", "models/small.toml:8: `min_scor`: unknown field"),
        ("min_score = 0.4", "min_score = 40", "models/small.toml:8: `min_score`: must be more than 0 and at most 1"),
        (
            "min_score = 0.4",
            "min_score = 0.4\nredact_min_score = 0.5",
            "models/small.toml:9: `redact_min_score`: must not",
        ),
        (
            "min_score = 0.4",
            "min_score = 0.4\nredact_min_score = 0",
            "models/small.toml:9: `redact_min_score`: must be",
        ),
        ("e3b0", "zzzz", "models/small.toml:4: `sha256`: a SHA-256 has 64 hexadecimal digits"),
        ("width = 416", "width = 0", "models/small.toml:11: `width`: must lie between 32 and 4096 pixels"),
        ("color = \"bgr\"", "colour = \"bgr\"", "models/small.toml:13: `colour`: unknown field"),
        ("[8, 16, 32]", "[8, 0]", "models/small.toml:18: `strides`: must hold 1 to 8 cell sizes"),
        ("[decoder.yolox]", "[decoder.yolo]", "models/small.toml:16: unknown variant `yolo`"),
        (
            "truck = [\"truck\", \"vehicle\"]",
            "lorry = [\"truck\"]",
            "models/small.toml:21: `lorry`: `lorry` is not one",
        ),
        ("\"vehicle\"", "\"face\"", "models/small.toml:21: `truck`: unknown variant `face`"),
        ("name = \"small\"\n", "", "missing field `name`"),
    ];
    for (from, to, wanted) in cases {
        let found = refusal(from, to);
        assert!(found.contains(wanted), "{to}: {found}");
    }
}

#[test]
fn blurring_reaches_below_what_rules_see() {
    let score = |to: &str| parse(&GOOD.replace("min_score = 0.4", to)).expect("a manifest").redact_min_score;
    assert!((score("min_score = 0.4") - 0.1).abs() < f32::EPSILON);
    assert!((score("min_score = 0.4\nredact_min_score = 0.2") - 0.2).abs() < f32::EPSILON);
    assert!((score("min_score = 0.05") - 0.05).abs() < f32::EPSILON, "never above min_score");
    assert!(!parse(GOOD).expect("a manifest").knows(Role::Person));
    let with_persons = format!("{GOOD}person = [\"person\"]\n");
    assert!(parse(&with_persons).expect("a manifest").knows(Role::Person));
}

#[test]
fn weights_are_compared_before_they_are_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("small.toml");
    std::fs::write(&path, GOOD).expect("written");
    let manifest = Manifest::load(&path, None).expect("a manifest");
    let error = manifest.read_model().expect_err("no file yet");
    assert!(matches!(error, ManifestError::ModelMissing { .. }), "{error}");
    std::fs::write(folder.path().join("small.onnx"), "").expect("written");
    assert!(manifest.read_model().expect("the hash is that of nothing").is_empty());
    std::fs::write(folder.path().join("small.onnx"), "x").expect("written");
    let error = manifest.read_model().expect_err("another file");
    assert!(matches!(error, ManifestError::WrongHash { .. }), "{error}");
}

#[test]
fn the_manifests_of_the_repository_are_right() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut count = 0;
    for entry in std::fs::read_dir(models).expect("models/") {
        let path = entry.expect("an entry").path();
        let is_manifest = path.extension().is_some_and(|extension| extension == "toml");
        if is_manifest && !path.ends_with("catalogue.toml") {
            Manifest::load(&path, None).expect("a manifest");
            count += 1;
        }
    }
    assert!(count >= 6);
}
