use super::super::truth::parse;
use super::*;
use crate::domain::geometry::{Point, Polygon};
use crate::domain::scene::{GroundCell, ViewMonitor, ViewState};
use crate::domain::{SignedDuration, Timestamp};

const COLUMNS: u16 = 20;
const ROWS: u16 = 10;

fn street() -> Street {
    let corners = [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
    let zone = Zone { id: "lot".into(), name: None, polygon: Polygon::new(&corners).unwrap(), ground_m2: None };
    let cell = Some(GroundCell { luma: 0.0, texture: 0.0, cb: 0.0, cr: 0.0 });
    let cells = vec![cell; usize::from(COLUMNS * ROWS)];
    let patch = GroundPatch { zone: "lot".into(), columns: COLUMNS, rows: ROWS, cells };
    Street::new("a", 1, &[zone], vec![patch], false)
}

fn picture(rest: &str) -> Picture {
    parse(&format!("{{\"t\": 0{rest}}}")).unwrap()
}

fn measures(rest: &str) -> SceneMeasures {
    street().measures(&picture(rest), &mut random(1, "a", 0, 1))
}

/// The cell in the middle of the lot, and one at its rim.
fn cells(scene: &SceneMeasures) -> (GroundCell, GroundCell) {
    let middle = usize::from(COLUMNS * (ROWS / 2) + COLUMNS / 2);
    (scene.ground[0].cells[middle].unwrap(), scene.ground[0].cells[0].unwrap())
}

fn covered(kind: &str) -> (GroundCell, GroundCell) {
    let at = "[[0.4, 0.65], [0.6, 0.65], [0.6, 0.9], [0.4, 0.9]]";
    cells(&measures(&format!(", \"ground\": [{{\"kind\": \"{kind}\", \"at\": {at}}}]")))
}

#[test]
fn muck_changes_texture_and_colour_and_light_neither() {
    let contrast = |cell: GroundCell| cell.texture / (cell.luma + 16.0);
    let ((bare, rim), (pile, beside)) = (cells(&measures("")), covered("pile"));
    assert!(contrast(pile) - contrast(bare) > 0.1, "{pile:?} on {bare:?}");
    assert!((contrast(rim) - contrast(beside)).abs() < 0.02, "ground beside it is as before");
    for kind in ["shadow", "light"] {
        let (lit, _) = covered(kind);
        assert!((lit.luma - bare.luma).abs() > 30.0, "{kind} {lit:?}");
        assert!((contrast(lit) - contrast(bare)).abs() < 0.03, "{kind} {lit:?} {bare:?}");
        assert!((lit.cb - bare.cb).abs() < 5.0, "{kind} {lit:?}");
    }
    let (grain, _) = covered("grain");
    assert!(bare.cb - grain.cb > 9.0);
}

#[test]
fn a_thing_that_stands_there_covers_the_ground() {
    let (bare, rim) = cells(&measures(""));
    let (car, beside) =
        cells(&measures(r#", "boxes": [{"id": 9, "roles": ["vehicle"], "box": [0.4, 0.6, 0.2, 0.3]}]"#));
    assert!((car.texture - bare.texture).abs() > 5.0);
    assert!((rim.luma - beside.luma).abs() < 8.0);
}

#[test]
fn the_view_is_judged_as_the_truth_says() {
    let (mut street, mut monitor) = (street(), ViewMonitor::default());
    let mut look = |second: i64, rest: &str| {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        monitor.observe(&street.measures(&picture(rest), &mut random(1, "a", 0, second.unsigned_abs())), at);
        monitor.state()
    };
    let person = r#", "boxes": [{"id": 1, "roles": ["person"], "box": [0.3, 0.5, 0.1, 0.4]}]"#;
    for second in 0..60 {
        assert_eq!(look(second, if second % 3 == 0 { person } else { "" }), ViewState::Clear);
    }
    let spells = [
        (60, r#", "view": "moved""#, ViewState::ViewChanged),
        (80, "", ViewState::Clear),
        (100, r#", "view": "occluded""#, ViewState::Occluded),
        (120, r#", "light": 0.9"#, ViewState::Clear),
        (140, r#", "light": 0.02, "view": "too_dark""#, ViewState::TooDark),
        (160, r#", "light": 0.1"#, ViewState::Clear),
    ];
    for (start, rest, expected) in spells {
        let last = (start..start + 15).map(|second| look(second, rest)).last();
        assert_eq!(last, Some(expected), "{rest}");
    }
}
