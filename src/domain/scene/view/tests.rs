use super::*;

/// A made-up street: blocks of different brightness from a seed, lit by `light`.
fn street(seed: u32, light: f32) -> SceneMeasures {
    let thumbnail: Vec<u8> = (0..THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT)
        .map(|cell| {
            let (x, y) = (cell % THUMBNAIL_WIDTH / 2, cell / THUMBNAIL_WIDTH / 2);
            let mut noise = seed.wrapping_mul(0x9E37_79B9) ^ u32::try_from(x * 131 + y * 7919).unwrap();
            noise = (noise ^ (noise >> 15)).wrapping_mul(0x85EB_CA6B);
            noise = (noise ^ (noise >> 13)).wrapping_mul(0xC2B2_AE35);
            let level = 60 + (noise >> 16) % 120;
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0–255"
            )]
            let lit = (level as f32 * light).clamp(0.0, 255.0) as u8;
            lit
        })
        .collect();
    SceneMeasures { brightness: 0.4 * light, contrast: 0.15 * light, thumbnail, ground: vec![] }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A monitor that has known its street for a while.
fn settled(light: f32) -> ViewMonitor {
    let mut view = ViewMonitor::default();
    for second in -40..=0 {
        assert!(view.observe(&street(7, light), at(second)));
    }
    view
}

#[test]
fn light_does_not_move_the_camera() {
    let mut view = settled(1.0);
    for (second, light) in [(1, 0.4), (2, 1.3), (3, 0.25), (4, 1.0)] {
        assert!(view.observe(&street(7, light), at(second)), "light {light}");
    }
}

#[test]
fn headlamps_do_not_move_the_camera() {
    let mut view = settled(0.4);
    let mut dazzled = street(7, 0.4);
    for y in 8..14 {
        dazzled.thumbnail[y * THUMBNAIL_WIDTH + 10..y * THUMBNAIL_WIDTH + 20].fill(255);
    }
    assert!(view.observe(&dazzled, at(1)));
}

#[test]
fn a_turned_camera_is_noticed_and_its_return_too() {
    let mut view = settled(1.0);
    assert!(!view.observe(&street(8, 1.0), at(1)), "the first look is already not used");
    assert_eq!(view.state(), ViewState::Clear, "but one look is not believed");
    for second in 2..10 {
        view.observe(&street(8, 1.0), at(second));
    }
    assert_eq!(view.state(), ViewState::ViewChanged);
    for second in 10..20 {
        view.observe(&street(7, 0.7), at(second));
    }
    assert_eq!(view.state(), ViewState::Clear);
}

#[test]
fn a_covered_lens_and_the_dark_are_told_apart() {
    let mut view = settled(1.0);
    let grey = SceneMeasures { brightness: 0.4, contrast: 0.005, thumbnail: vec![100; 576], ground: vec![] };
    let black = SceneMeasures { brightness: 0.02, contrast: 0.01, thumbnail: vec![5; 576], ground: vec![] };
    for second in 1..10 {
        assert!(!view.observe(&grey, at(second)));
    }
    assert_eq!(view.state(), ViewState::Occluded);
    for second in 10..20 {
        assert!(!view.observe(&black, at(second)));
    }
    assert_eq!(view.state(), ViewState::TooDark);
}
