//! A moment as a drawing: the redacted picture, or what the truth says was there; the zone; the event's boxes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use crate::domain::detection::Role;
use crate::domain::geometry::BoundingBox;
use crate::evaluation::exhibit::Exhibit;
use crate::evaluation::truth::{Cover, Picture, View};

/// Units of the drawing; pictures are stretched to it.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;

/// The drawing of an exhibit.
pub(super) fn draw(exhibit: &Exhibit) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" {
            @match (&exhibit.jpeg, &exhibit.truth) {
                (Some(jpeg), _) => {
                    image width=(WIDTH) height=(HEIGHT) preserveAspectRatio="none"
                        href=(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)));
                },
                (None, Some(picture)) => (drawn(picture)),
                (None, None) => text x="20" y="40" fill="#fff" { "no picture" },
            }
            polygon points=(points(&exhibit.polygon)) fill="none" stroke="#ffd23f" stroke-width="2" stroke-dasharray="7 4";
            @for [left, top, width, height] in &exhibit.boxes {
                (rect(&BoundingBox { left: *left, top: *top, width: *width, height: *height }, "none", "#ff3b30", 3))
            }
        }
    }
}

/// What the truth says, in flat colours.
fn drawn(picture: &Picture) -> Markup {
    html! {
        @for outline in &picture.ground {
            polygon points=(points(&outline.at)) fill=(cover_colour(outline.kind)) fill-opacity="0.7" { title { (format!("{:?}", outline.kind)) } }
        }
        @for thing in &picture.boxes {
            @let (role, colour) = thing.roles.most_specific().map_or(("?", "#999"), |role| (role.name(), role_colour(role)));
            (rect(&thing.bbox, colour, "#0b0e12", 1))
            text x=(f64::from(thing.bbox.left) * WIDTH + 2.0) y=(f64::from(thing.bbox.bottom()) * HEIGHT - 3.0)
                fill="#fff" font-size="9" { (role) @if thing.seen < 0.6 { " hidden" } }
        }
        @if picture.view != View::Clear {
            text x="12" y="24" fill="#ff9f0a" font-size="18" { (format!("view: {:?}", picture.view)) }
        }
    }
}

fn rect(bbox: &BoundingBox, fill: &str, stroke: &str, stroke_width: u8) -> Markup {
    let [x, width] = [bbox.left, bbox.width].map(|share| format!("{:.1}", f64::from(share) * WIDTH));
    let [y, height] = [bbox.top, bbox.height].map(|share| format!("{:.1}", f64::from(share) * HEIGHT));
    html! {
        rect x=(x) y=(y) width=(width) height=(height) fill=(fill) fill-opacity="0.75" stroke=(stroke) stroke-width=(stroke_width);
    }
}

fn points(corners: &[[f64; 2]]) -> String {
    let corners = corners.iter().map(|[x, y]| format!("{:.1},{:.1}", x * WIDTH, y * HEIGHT));
    corners.collect::<Vec<_>>().join(" ")
}

fn role_colour(role: Role) -> &'static str {
    match role {
        Role::Person => "#3d8bfd",
        Role::Vehicle | Role::Truck => "#6f7d8c",
        Role::Tricycle | Role::Cycle => "#8e6bbf",
        Role::Stall => "#d9480f",
        Role::Goods => "#e8890c",
        Role::Umbrella => "#2f9e66",
        Role::Pile => "#8a5a2b",
    }
}

fn cover_colour(cover: Cover) -> &'static str {
    match cover {
        Cover::Pile => "#8a5a2b",
        Cover::Water => "#4a6fa5",
        Cover::Shadow => "#11151a",
        Cover::Light => "#fff3b0",
        Cover::Snow => "#f4f7fa",
        Cover::Leaves => "#b5762a",
        Cover::Grain => "#e0c14f",
        Cover::Thing => "#7b5ea7",
    }
}
