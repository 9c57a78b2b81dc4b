//! `gridwatch eval` on scenes that are written here, from journals, and on what the lab draws, from pixels.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::lab;

/// Head of a configuration; `rules` are those of its only camera, whose zone `lot` is the lower half.
fn configuration(rules: &str) -> String {
    format!(
        "[gateway]\nid = \"gw-eval\"\ncounty_code = \"330902\"\ntown_code = \"101\"\nvillage_code = \"330902101007\"\n\n\
         [inference]\nruntime_library = \"libonnxruntime.so\"\nmodel = \"none.toml\"\n\n\
         [[camera]]\nid = \"east\"\nurl = \"file:none.mp4\"\nlook_interval_s = 2\n\n\
         [[camera.zone]]\nid = \"lot\"\npolygon = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]\n\n{rules}"
    )
}

const STALLS: &str = "[[camera.encroachment]]\nid = \"stalls\"\nzone = \"lot\"\ndwell_s = 60\nlearn_furniture_s = 30\n";
const MUCK: &str = "[[camera.dumping]]\nid = \"muck\"\nzone = \"lot\"\ndwell_s = 60\n";
const STALL: &str = r#"{"id": 1, "roles": ["stall"], "box": [0.4, 0.55, 0.1, 0.12]}"#;
const SELLER: &str = r#"{"id": 2, "roles": ["person"], "box": [0.44, 0.47, 0.04, 0.18]}"#;
const TIPPER: &str = r#"{"id": 3, "roles": ["truck", "vehicle"], "box": [0.55, 0.5, 0.2, 0.25]}"#;
const MUCK_BOX: &str = r#"{"id": 4, "roles": ["pile"], "box": [0.4, 0.68, 0.16, 0.14]}"#;
const MUCK_GROUND: &str = r#"{"kind": "pile", "at": [[0.4, 0.7], [0.56, 0.7], [0.56, 0.82], [0.4, 0.82]]}"#;

/// What a second of a journal shows: boxes and ground.
type Script = fn(u32) -> (Vec<&'static str>, Vec<&'static str>);

fn write_journal(folder: &Path, rules: &str, story: &str, incident: Option<(&str, u32, u32)>, script: Script) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("gridwatch.toml"), configuration(rules)).unwrap();
    let mut scene = format!(
        "version = 1\ntruth = \"truth.jsonl\"\nstart = 2026-06-01T10:00:00+08:00\nseconds = 480.0\n\
         conditions = [\"day\"]\nstory = \"{story}\"\nsplit = \"tuning\"\nstock = \"common\"\n"
    );
    if let Some((kind, from, until)) = incident {
        write!(scene, "\n[[incident]]\nkind = \"{kind}\"\nzone = \"lot\"\nfrom_s = {from}.0\nuntil_s = {until}.0\n")
            .unwrap();
    }
    std::fs::write(folder.join("scene.toml"), scene).unwrap();
    let mut truth = String::new();
    for second in 0..480 {
        let (boxes, ground) = script(second);
        let (boxes, ground) = (boxes.join(", "), ground.join(", "));
        writeln!(truth, "{{\"t\": {second}.0, \"boxes\": [{boxes}], \"ground\": [{ground}]}}").unwrap();
    }
    std::fs::write(folder.join("truth.jsonl"), truth).unwrap();
}

fn stall_stays(second: u32) -> (Vec<&'static str>, Vec<&'static str>) {
    (if (100..400).contains(&second) { vec![STALL, SELLER] } else { vec![] }, vec![])
}

fn hawker_rests(second: u32) -> (Vec<&'static str>, Vec<&'static str>) {
    (if (100..140).contains(&second) { vec![STALL, SELLER] } else { vec![] }, vec![])
}

fn tipper_leaves_muck(second: u32) -> (Vec<&'static str>, Vec<&'static str>) {
    let tipper = (100..130).contains(&second).then_some(TIPPER);
    let muck = second >= 115;
    let boxes = tipper.into_iter().chain(muck.then_some(MUCK_BOX)).collect();
    (boxes, if muck { vec![MUCK_GROUND] } else { vec![] })
}

fn scenes(folder: &Path) {
    write_journal(&folder.join("a/stall"), STALLS, "stall", Some(("encroachment", 100, 400)), stall_stays);
    write_journal(&folder.join("a/hawker"), STALLS, "hawker", None, hawker_rests);
    write_journal(&folder.join("b/tipper"), MUCK, "tipper", Some(("dumping", 130, 480)), tipper_leaves_muck);
}

struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

fn eval(folder: &Path, arguments: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridwatch"));
    command.arg("eval").arg(folder).args(arguments).env_remove("GRIDWATCH_LOG").env_remove("JOURNAL_STREAM");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: output.status.code().unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn json(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("eval.json")).unwrap()).unwrap()
}

#[test]
fn journals_are_judged_and_the_figures_are_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    scenes(&folder.path().join("scenes"));
    let run = |out: &str, jobs: &str| {
        let out = folder.path().join(out);
        let report = out.display().to_string();
        let arguments = ["--report", &report, "--jobs", jobs, "--noise", "repeats=3,seed=5", "--min-recall", "0.9"];
        let done = eval(&folder.path().join("scenes"), &arguments);
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
        (std::fs::read(out.join("eval.json")).unwrap(), done)
    };
    let ((first, done), (second, _)) = (run("one", "1"), run("two", "3"));
    assert!(first == second, "two evaluations differ");
    assert!(done.stderr.contains("camera-hours a second"), "{}", done.stderr);

    let summary = json(&folder.path().join("one"));
    for (kind, scenes, positives) in [("encroachment", 6, 3), ("dumping", 3, 3)] {
        let all = &summary["kinds"][kind]["all"];
        let counts =
            ["scenes", "positives", "found", "false_alarms", "duplicates"].map(|key| all[key].as_u64().unwrap());
        assert_eq!(counts, [scenes, positives, positives, 0, 0], "{kind}: {}", done.stdout);
        assert!(all["open_after_dwell_s"]["p95"].as_f64().unwrap() <= 10.0, "{kind}: {}", done.stdout);
    }
    assert_eq!(summary["kinds"]["encroachment"]["by_story"]["hawker"]["positives"], 0);
    assert!(summary["coverage"]["share"].as_f64().unwrap() > 0.98);
    assert_eq!(summary["runs"].as_array().unwrap().len(), 9);
}

#[test]
fn what_goes_wrong_is_shown_and_can_fail_a_check() {
    let folder = tempfile::tempdir().unwrap();
    let scenes = folder.path().join("scenes");
    // The truth is wrong on purpose: what stands there is not in it, and what is in it never was there.
    write_journal(&scenes.join("untold"), STALLS, "untold", None, stall_stays);
    write_journal(&scenes.join("empty"), STALLS, "empty", Some(("encroachment", 100, 400)), |_| (vec![], vec![]));
    write_journal(&scenes.join("brief"), STALLS, "brief", Some(("encroachment", 100, 140)), hawker_rests);
    let out = folder.path().join("out");
    let done = eval(&scenes, &["--report", &out.display().to_string(), "--min-precision", "0.5"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("precision of encroachment is 0 (0 of 1), less than 0.5"), "{}", done.stderr);
    assert!(done.stderr.contains("too short for a dwell of 60 s"), "{}", done.stderr);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for words in ["miss: 1", "false alarm: 1", "<svg", "there from 100 s to 400 s"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("<script") && !page.contains("src="), "the page needs nothing but itself");
    let summary = json(&out);
    assert_eq!(summary["kinds"]["encroachment"]["all"]["misses"], 1);
    assert_eq!(summary["kinds"]["encroachment"]["by_story"]["brief"]["positives"], 0);
}

#[test]
fn mistakes_in_scenes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    write_journal(&folder.path().join("one"), STALLS, "one", None, hawker_rests);
    let scene = folder.path().join("one/scene.toml");
    let good = std::fs::read_to_string(&scene).unwrap();
    std::fs::write(&scene, good.replace("seconds = 480.0", "seconds = \"long\"")).unwrap();
    let done = eval(folder.path(), &[]);
    assert_eq!((done.code, done.stdout.as_str()), (3, ""));
    assert!(done.stderr.contains("one/scene.toml:4: seconds: invalid type"), "{}", done.stderr);

    std::fs::write(&scene, good).unwrap();
    std::fs::write(folder.path().join("one/truth.jsonl"), "{\"t\": 0}\n{\"t\": 1, \"boxs\": []}\n").unwrap();
    let done = eval(folder.path(), &[]);
    assert_eq!(done.code, 3, "{}", done.stderr);
    assert!(done.stderr.contains("one/truth.jsonl:2: unknown field `boxs`"), "{}", done.stderr);

    assert_eq!(eval(folder.path(), &["--noise", "mises=1"]).code, 2);
    let nowhere = eval(&folder.path().join("one/nowhere"), &[]);
    assert_eq!(nowhere.code, 3, "{}", nowhere.stderr);
}

/// The lab's scenes below `folder`, seen by `models/street-n`.
fn eval_pixels(folder: &Path, out: &Path) -> (Value, Done) {
    let (model, runtime) = (lab::model().display().to_string(), lab::runtime_library().display().to_string());
    // One core is left for tests that watch cameras at the same time.
    let arguments = ["--model", &model, "--runtime", &runtime, "--jobs", "1", "--report", &out.display().to_string()];
    let done = eval(folder, &arguments);
    assert_eq!(done.code, 0, "{}", done.stderr);
    (json(out), done)
}

/// Scenes, found incidents, false alarms and duplicates of a kind.
fn counts(summary: &Value, kind: &str) -> [u64; 4] {
    let all = &summary["kinds"][kind]["all"];
    ["positives", "found", "false_alarms", "duplicates"].map(|key| all[key].as_u64().unwrap())
}

/// Recomputed from pixels each time: decoder, model and rules stand behind these figures.
#[test]
fn the_demos_clips_are_judged_from_their_pixels() {
    let out = tempfile::tempdir().unwrap();
    let (summary, done) = eval_pixels(lab::scenes(), out.path());
    for kind in ["encroachment", "dumping", "crowding"] {
        assert_eq!(counts(&summary, kind), [1, 1, 0, 0], "{kind}: {}", done.stdout);
    }
    assert_eq!((&summary["runs_from_pixels"], &summary["coverage"]["looks_failed"]), (&4.into(), &0.into()));
}

/// A scene that must be reported and one that must not of each kind, drawn and judged again, never looked up.
#[test]
fn fixed_scenes_of_the_lab_are_judged_from_their_pixels() {
    let drawn = lab::root().join(".cache/lab/fixed");
    lab::draw(&["lab/make.py", "looks", "--split", "fixed"], &drawn);
    let out = tempfile::tempdir().unwrap();
    let (summary, done) = eval_pixels(&drawn, out.path());
    for kind in ["encroachment", "dumping", "crowding"] {
        assert_eq!(counts(&summary, kind), [1, 1, 0, 0], "{kind}: {}", done.stdout);
        assert_eq!(summary["kinds"][kind]["all"]["scenes"], 2, "{kind}: {}", done.stdout);
    }
    assert_eq!((&summary["runs_from_pixels"], &summary["coverage"]["looks_failed"]), (&6.into(), &0.into()));
}
