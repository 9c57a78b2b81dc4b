//! How a person names messages.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Messages that a person means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// The event message of this number.
    Number(u64),
    /// Every message of this event, pictures too.
    Event(Uuid),
    /// A picture of an event, by its name in it.
    Picture(Uuid, String),
    /// Everything in quarantine; not to be written as text.
    Quarantined,
}

/// What cannot be read as a [`Pick`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is neither a number, nor an event id, nor EVENT_ID/PICTURE")]
pub struct PickError;

impl FromStr for Pick {
    type Err = PickError;

    fn from_str(text: &str) -> Result<Self, PickError> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        let (event, picture) = text.split_once('/').map_or((text, None), |(event, picture)| (event, Some(picture)));
        let event = Uuid::parse_str(event).map_err(|_| PickError)?;
        match picture {
            None => Ok(Self::Event(event)),
            Some(name) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Ok(Self::Picture(event, name.to_owned()))
            }
            Some(_) => Err(PickError),
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "number {number}"),
            Self::Event(event) => write!(f, "event {event}"),
            Self::Picture(event, name) => write!(f, "picture {event}/{name}"),
            Self::Quarantined => f.write_str("quarantine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_named_in_three_ways() {
        let event = Uuid::from_u128(7);
        assert_eq!("12".parse(), Ok(Pick::Number(12)));
        assert_eq!(event.to_string().parse(), Ok(Pick::Event(event)));
        assert_eq!(format!("{event}/e1").parse(), Ok(Pick::Picture(event, "e1".to_owned())));
        for wrong in ["", "-1", "e1", "12/e1", "../e1", &format!("{event}/"), &format!("{event}/../x")] {
            assert_eq!(wrong.parse::<Pick>(), Err(PickError), "{wrong}");
        }
    }
}
