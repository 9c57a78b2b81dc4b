//! The published descriptions, for `gridwatch schema`.

/// Name and text of every schema, and of the `AsyncAPI` description.
pub const DOCUMENTS: [(&str, &str); 10] = [
    ("event", include_str!("../../contract/grid-event-1.schema.json")),
    ("envelope", include_str!("../../contract/envelope-1.schema.json")),
    ("feedback", include_str!("../../contract/feedback-1.schema.json")),
    ("command", include_str!("../../contract/command-1.schema.json")),
    ("response", include_str!("../../contract/response-1.schema.json")),
    ("state", include_str!("../../contract/state-1.schema.json")),
    ("info", include_str!("../../contract/info-1.schema.json")),
    ("camera-state", include_str!("../../contract/camera-state-1.schema.json")),
    ("metrics", include_str!("../../contract/metrics-1.schema.json")),
    ("asyncapi", include_str!("../../contract/asyncapi.yaml")),
];

/// The text of one document.
#[must_use]
pub fn document(name: &str) -> Option<&'static str> {
    DOCUMENTS.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text)
}
