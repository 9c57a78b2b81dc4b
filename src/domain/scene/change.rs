//! How much two looks differ, for deciding whether the detector has to run again.

use super::SceneMeasures;

/// Largest local difference of two looks, 0–1, after a common change of light is taken out: the
/// thumbnail's cells and the ground's. 1 when the two cannot be compared.
#[must_use]
pub fn change_between(a: &SceneMeasures, b: &SceneMeasures) -> f32 {
    if a.thumbnail.len() != b.thumbnail.len() || a.thumbnail.is_empty() || a.ground.len() != b.ground.len() {
        return 1.0;
    }
    let mut differences: Vec<f32> =
        a.thumbnail.iter().zip(&b.thumbnail).map(|(&a, &b)| f32::from(a) - f32::from(b)).collect();
    let light = median(&mut differences);
    let picture = differences.iter().fold(0.0_f32, |most, difference| most.max((difference - light).abs()));

    let mut ground = 0.0_f32;
    for (a, b) in a.ground.iter().zip(&b.ground) {
        if a.zone != b.zone || a.cells.len() != b.cells.len() {
            return 1.0;
        }
        for (a, b) in a.cells.iter().zip(&b.cells) {
            let (Some(a), Some(b)) = (a, b) else { continue };
            let colour = (a.cb - b.cb).abs().max((a.cr - b.cr).abs());
            ground = ground.max((a.luma - b.luma - light).abs()).max((a.texture - b.texture).abs()).max(colour);
        }
    }
    (picture.max(ground) / 255.0).min(1.0)
}

/// The middle value; 0 of nothing.
pub(super) fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(thumbnail: Vec<u8>) -> SceneMeasures {
        SceneMeasures { brightness: 0.5, contrast: 0.2, thumbnail, ground: vec![] }
    }

    #[test]
    fn light_is_no_change_and_a_thing_is() {
        let still = scene((0..=199).collect());
        let brighter = scene((20..=219).collect());
        assert!(change_between(&still, &brighter) < 0.01);
        let mut with_thing = (0..=199).collect::<Vec<u8>>();
        with_thing[77] += 60;
        assert!(change_between(&still, &scene(with_thing)) > 0.2);
        assert!((change_between(&still, &scene(vec![])) - 1.0).abs() < f32::EPSILON);
    }
}
