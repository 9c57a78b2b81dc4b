use super::*;
use crate::domain::analyzer::scenario::{COLUMNS, OnGround, ROWS, at, ground_cell, zone};

fn patch(look: impl Fn(usize) -> GroundCell) -> GroundPatch {
    let cells = (0..usize::from(COLUMNS * ROWS)).map(|index| Some(look(index))).collect();
    GroundPatch { zone: "ground".into(), columns: COLUMNS, rows: ROWS, cells }
}

fn read(ground: &mut Ground, seconds: std::ops::Range<i64>, frozen: bool, patch: &GroundPatch) -> GroundReading {
    let looks = seconds.map(|second| {
        ground.observe(patch, &zone().polygon, &[], (at(second), Duration::from_secs(1)), frozen).expect("cells")
    });
    looks.last().expect("a look")
}

#[test]
fn a_pile_differs_and_is_never_swallowed_while_frozen() {
    let mut ground = Ground::default();
    let plain = patch(|index| ground_cell(index, OnGround::Nothing));
    let pile = patch(|index| ground_cell(index, OnGround::Pile));
    assert!(read(&mut ground, 0..60, false, &plain).changed_ratio.abs() < 1e-9);
    let reading = read(&mut ground, 60..3600, true, &pile);
    assert!((reading.changed_ratio - 0.1).abs() < 1e-9 && reading.added);
    let reading = read(&mut ground, 3600..4300, false, &pile);
    assert!(reading.changed_ratio.abs() < 1e-9, "nobody cares, so it is the ground");
    assert!(!read(&mut ground, 4300..4310, false, &plain).added, "and goes without being a dumping");
}

#[test]
fn a_bin_put_back_beside_its_place_is_no_addition() {
    let bin = GroundCell { luma: 60.0, texture: 24.0, cb: 118.0, cr: 120.0 };
    let at_column = |column: usize| {
        patch(move |index| {
            let (x, y) = (index % usize::from(COLUMNS), index / usize::from(COLUMNS));
            if (column..column + 2).contains(&x) && y < 3 { bin } else { ground_cell(index, OnGround::Nothing) }
        })
    };
    let mut ground = Ground::default();
    read(&mut ground, 0..60, false, &at_column(2));
    let reading = read(&mut ground, 60..120, true, &at_column(5));
    assert!(reading.changed_ratio > 0.15 && !reading.added, "{reading:?}");
}

#[test]
fn the_baseline_follows_the_sun() {
    let mut ground = Ground::default();
    for second in 0..7200_i16 {
        let dim = 1.0 - f32::from(second) / 10_000.0;
        let lit = patch(|index| {
            let cell = ground_cell(index, OnGround::Nothing);
            // Shade creeps over the left half, and the whole gets bluer.
            let shade = if index % usize::from(COLUMNS) < 5 { dim } else { 1.0 };
            GroundCell {
                luma: cell.luma * shade,
                texture: cell.texture * shade,
                cb: cell.cb + (1.0 - dim) * 20.0,
                ..cell
            }
        });
        let second = i64::from(second);
        assert!(read(&mut ground, second..second + 1, true, &lit).changed_ratio.abs() < 1e-9, "at {second}");
    }
}

#[test]
fn snow_and_rain_are_the_weather_s() {
    let mut ground = Ground::default();
    let plain = patch(|index| ground_cell(index, OnGround::Nothing));
    read(&mut ground, 0..60, false, &plain);
    let snow = patch(|_| GroundCell { luma: 220.0, texture: 2.0, cb: 128.0, cr: 128.0 });
    assert!(read(&mut ground, 60..90, false, &snow).changed_ratio.abs() < 1e-9);
    let wet = patch(|index| GroundCell { luma: 70.0, texture: 20.0, ..ground_cell(index, OnGround::Nothing) });
    assert!(read(&mut ground, 90..160, false, &wet).changed_ratio.abs() < 1e-9);
}

#[test]
fn another_grid_starts_anew() {
    let mut ground = Ground::default();
    read(&mut ground, 0..60, false, &patch(|index| ground_cell(index, OnGround::Nothing)));
    let other = GroundPatch { columns: ROWS, rows: COLUMNS, ..patch(|index| ground_cell(index, OnGround::Pile)) };
    assert!(read(&mut ground, 60..70, false, &other).changed_ratio.abs() < 1e-9);
}

#[test]
fn a_sheet_is_even_inside_and_muck_is_not() {
    // Wide enough to have an inside: four by four cells.
    let lies = |index: usize| {
        let (x, y) = (index % usize::from(COLUMNS), index / usize::from(COLUMNS));
        (2..6).contains(&x) && (1..5).contains(&y)
    };
    let plain = patch(|index| ground_cell(index, OnGround::Nothing));
    let covered =
        |look: GroundCell| patch(move |index| if lies(index) { look } else { ground_cell(index, OnGround::Nothing) });
    let after = |look: GroundCell| {
        let mut ground = Ground::default();
        read(&mut ground, 0..60, false, &plain);
        read(&mut ground, 60..90, true, &covered(look))
    };
    let grain = after(GroundCell { luma: 160.0, texture: 8.0, cb: 106.0, cr: 138.0 });
    assert!(grain.even && grain.changed_ratio > 0.2);
    let muck = after(GroundCell { luma: 90.0, texture: 28.0, cb: 116.0, cr: 138.0 });
    assert!(!muck.even && muck.added);
}

#[test]
fn a_change_after_a_gap_is_seen_at_once() {
    let plain = patch(|index| ground_cell(index, OnGround::Nothing));
    let pile = patch(|index| ground_cell(index, OnGround::Pile));
    let mut ground = Ground::default();
    read(&mut ground, 0..60, false, &plain);
    let gap = Duration::from_secs(30);
    let reading = ground.observe(&pile, &zone().polygon, &[], (at(90), gap), false).expect("cells");
    assert!(reading.changed_ratio > 0.09, "{}", reading.changed_ratio);
}

#[test]
fn cells_here_and_there_are_the_light() {
    let mut ground = Ground::default();
    let plain = patch(|index| ground_cell(index, OnGround::Nothing));
    let other =
        |index| if index % 7 == 0 { ground_cell(24, OnGround::Pile) } else { ground_cell(index, OnGround::Nothing) };
    read(&mut ground, 0..60, false, &plain);
    let reading = read(&mut ground, 60..120, true, &patch(other));
    assert!(reading.changed_ratio.abs() < 1e-9, "{reading:?}");
    let with_pile = |index| {
        let pile = ground_cell(index, OnGround::Pile);
        if pile == ground_cell(index, OnGround::Nothing) { other(index) } else { pile }
    };
    let reading = read(&mut ground, 120..180, true, &patch(with_pile));
    assert!(reading.changed_ratio > 0.09 && reading.changed_ratio < 0.16, "the pile and what touches it: {reading:?}");
}
