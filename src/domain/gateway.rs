//! What a gateway may be called, for the configuration and the contract alike.

/// Names that a gateway must not have: users and groups of the access control list.
pub const RESERVED_NAMES: [&str; 9] =
    ["township", "town", "county", "city", "platform", "judge", "admin", "anonymous", "broker"];

/// Ends of the client ids that a gateway's further connections have: its downlink, and a check of the
/// broker.
const RESERVED_ENDS: [&str; 2] = ["-rx", "-check"];

/// Why a gateway cannot have this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GatewayIdError {
    /// Cannot be a topic level and an MQTT user name.
    #[error("is not 2 to 63 lower-case letters, digits and `-`, beginning with a letter")]
    Form,
    /// Would collide with somebody else's name.
    #[error("is a reserved name")]
    Reserved,
}

/// Checks the form of a gateway id, and that the name is free.
pub fn check_gateway_id(id: &str) -> Result<(), GatewayIdError> {
    let legal = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !(2..=63).contains(&id.len()) || !legal || !id.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(GatewayIdError::Form);
    }
    if RESERVED_NAMES.contains(&id) || RESERVED_ENDS.iter().any(|end| id.ends_with(end)) {
        return Err(GatewayIdError::Reserved);
    }
    Ok(())
}

/// Whether topics may begin like this: levels of letters, digits, `-`, `_` and `.`, separated by `/`.
#[must_use]
pub fn is_topic_root(root: &str) -> bool {
    root.len() <= 128 && root.split('/').all(is_topic_level)
}

/// Whether this is one level of a topic: 1 to 64 letters, digits, `-`, `_` and `.`.
#[must_use]
pub fn is_topic_level(level: &str) -> bool {
    (1..=64).contains(&level.len()) && level.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
