use super::super::noise::Noise;
use super::super::truth::parse;
use super::*;
use crate::domain::incident::Kind;
use crate::evaluation::summary::Summary;

fn exhibit(what: What) -> Exhibit {
    let truth = r#"{"t": 0, "boxes": [{"id": 1, "roles": ["stall"], "box": [0.4, 0.5, 0.1, 0.1]}], "ground": [{"kind": "water", "at": [[0, 0], [1, 0], [1, 1]]}]}"#;
    Exhibit {
        what,
        scene: "set/<one>".into(),
        repeat: 2,
        story: "stall".into(),
        conditions: "rain".into(),
        kind: Kind::Encroachment,
        zone: "walkway".into(),
        at_s: 130.0,
        words: "there from 95 s to 480 s".into(),
        polygon: vec![[0.0, 0.5], [1.0, 0.5], [1.0, 1.0]],
        boxes: vec![[0.4, 0.5, 0.1, 0.1]],
        jpeg: (what == What::FalseAlarm).then(|| vec![0xff, 0xd8, 0xff]),
        truth: Some(parse(truth).unwrap()),
    }
}

#[test]
fn a_moment_is_drawn_from_its_picture_or_from_the_truth() {
    let drawing = drawing::draw(&exhibit(What::FalseAlarm)).into_string();
    assert!(drawing.contains("href=\"data:image/jpeg;base64,/9j/\""), "{drawing}");
    assert!(!drawing.contains("stall"), "the picture itself is enough");
    let drawing = drawing::draw(&exhibit(What::Miss)).into_string();
    assert!(drawing.contains(">stall</text>") && drawing.contains("<polygon points=\"0.0,180.0 "), "{drawing}");
}

#[test]
fn names_are_escaped_and_nothing_is_fetched() {
    let exhibits = [exhibit(What::Miss), exhibit(What::FalseAlarm)];
    let page = gallery(What::Miss, exhibits.iter()).into_string();
    assert!(page.contains("set/&lt;one&gt;, second 130, repeat 2"), "{page}");
    let empty = html(&Summary::of(Vec::new(), Noise::default()));
    assert!(empty.contains("Nothing: no miss"), "{empty}");
    assert!(!empty.contains("http") && !empty.contains("<script"), "{empty}");
}
