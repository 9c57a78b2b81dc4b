//! Redacted JPEGs from decoded pictures.
//!
//! YUV → RGB → private ground blackened, heads and plates mosaicked → scaled down → JPEG. Redaction
//! comes before scaling: no resampling filter ever sees what it removed. There is no face or plate
//! detector; regions follow from the boxes, with margins (`redact`). In a picture of crowding the whole
//! zone goes (`crowd`).

mod crowd;
mod jpeg;
mod mosaic;
mod redact;
mod rgb;
mod seal;

use sha2::{Digest, Sha256};

use crate::config;
use crate::domain::detection::Detection;
use crate::domain::frame::Frame;
use crate::domain::geometry::{Point, Polygon};

use crowd::CrowdArea;
use redact::Regions;
use rgb::RgbPicture;

/// A picture that may leave the box.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Progressive JPEG, 4:2:0, without metadata.
    pub jpeg: Vec<u8>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of `jpeg`, lower-case hexadecimal.
    pub sha256: String,
    /// What was made unrecognisable.
    pub redaction: Redaction,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{}, {} bytes, {:?})", self.width, self.height, self.jpeg.len(), self.redaction)
    }
}

/// What was made unrecognisable in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redaction {
    /// Boxes of persons whose head region, or all, was mosaicked.
    pub persons: u32,
    /// Boxes of vehicles whose plate band was mosaicked.
    pub plates: u32,
    /// Whether anything was.
    pub state: RedactionState,
}

/// Outcome of a redaction; one that fails gives no picture at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedactionState {
    /// Something was mosaicked or blackened.
    Applied,
    /// No person, no vehicle, no private ground.
    NoneNeeded,
}

/// An original that nobody on this box can open.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedOriginal {
    /// In the age format; a JPEG inside.
    pub bytes: Vec<u8>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of `bytes`, lower-case hexadecimal.
    pub sha256: String,
}

impl std::fmt::Debug for SealedOriginal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedOriginal({}x{}, {} bytes)", self.width, self.height, self.bytes.len())
    }
}

/// Why a picture is withheld.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The planes do not have the sizes of a 4:2:0 picture.
    #[error("the {width}x{height} picture's planes have the wrong sizes ({y}, {u}, {v} bytes)")]
    MalformedFrame {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Bytes of luma.
        y: usize,
        /// Bytes of blue difference.
        u: usize,
        /// Bytes of red difference.
        v: usize,
    },
    /// Nobody can be blurred.
    #[error("the model has no class of the role `person`, so nobody could be blurred")]
    PersonsUnknown,
    /// A box that should be redacted is not a place in the picture.
    #[error("cannot redact the box {index} of class {class_id}: its corners are not finite numbers")]
    UnusableBox {
        /// Position in the list of detections.
        index: usize,
        /// Class of the model.
        class_id: u16,
    },
    /// Colour conversion.
    #[error("cannot convert the picture to RGB: {0}")]
    Convert(String),
    /// Scaling.
    #[error("cannot scale the picture down: {0}")]
    Scale(String),
    /// The encoder gave up.
    #[error("cannot encode the picture as JPEG: {0}")]
    Encode(String),
    /// No random numbers, or a recipient that is no key.
    #[error("cannot seal the picture")]
    Seal,
    /// Not even the smallest picture fits.
    #[error("the picture does not fit into evidence.max_bytes = {max_bytes}")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}

/// Makes a picture fit to be published: `boxes` are all boxes of the frame, also those far below the
/// score that a rule needs, so that a doubtful person is a redacted person; `None` if they are from a
/// model that does not know persons. `masks` are private ground. Takes tens to hundreds of milliseconds
/// of CPU: call it off the runtime's threads.
///
/// On an error there is no picture, and the event goes without it.
pub fn make_picture(
    frame: &Frame,
    boxes: Option<&[Detection]>,
    masks: &[Polygon],
    options: &config::Evidence,
) -> Result<Picture, EvidenceError> {
    redacted_picture(frame, boxes, (masks, None), options)
}

/// As [`make_picture`], of crowding in `zone`: whoever may stand there is mosaicked whole, found by the
/// model or not.
pub fn make_crowd_picture(
    frame: &Frame,
    boxes: Option<&[Detection]>,
    (masks, zone): (&[Polygon], &Polygon),
    options: &config::Evidence,
) -> Result<Picture, EvidenceError> {
    redacted_picture(frame, boxes, (masks, Some(zone)), options)
}

fn redacted_picture(
    frame: &Frame,
    boxes: Option<&[Detection]>,
    (masks, crowd): (&[Polygon], Option<&Polygon>),
    options: &config::Evidence,
) -> Result<Picture, EvidenceError> {
    let boxes = boxes.ok_or(EvidenceError::PersonsUnknown)?;
    let regions = Regions::of(boxes, crowd, frame.width, frame.height)?;
    let mut rgb = RgbPicture::from_frame(frame)?;
    for mask in masks {
        redact::blacken(&mut rgb, mask);
    }
    if let Some(zone) = crowd {
        CrowdArea::new(zone, boxes, frame.width, frame.height).mosaic(&mut rgb);
    }
    regions.mosaic(&mut rgb);
    let encoded = jpeg::encode_within(&rgb, options)?;
    let nothing = masks.is_empty() && crowd.is_none() && regions.is_empty();
    let state = if nothing { RedactionState::NoneNeeded } else { RedactionState::Applied };
    Ok(Picture {
        sha256: hexadecimal(&Sha256::digest(&encoded.bytes)),
        jpeg: encoded.bytes,
        width: encoded.width,
        height: encoded.height,
        redaction: Redaction { persons: regions.persons, plates: regions.plates, state },
    })
}

/// The picture as it is, sealed to `recipient`; nothing of it is ever written in the clear. Private ground is blackened all the
/// same: what must not be recorded must not be recorded for the township either. Smaller than `max_bytes` when sealed.
pub fn seal_original(
    frame: &Frame,
    masks: &[Polygon],
    recipient: &config::Recipient,
    options: &config::Evidence,
) -> Result<SealedOriginal, EvidenceError> {
    let mut rgb = RgbPicture::from_frame(frame)?;
    for mask in masks {
        redact::blacken(&mut rgb, mask);
    }
    let room = config::Evidence { max_bytes: options.max_bytes.saturating_sub(seal::OVERHEAD), ..options.clone() };
    let encoded = jpeg::encode_within(&rgb, &room)?;
    let bytes = seal::seal(&encoded.bytes, recipient).map_err(|_| EvidenceError::Seal)?;
    let sha256 = hexadecimal(&Sha256::digest(&bytes));
    Ok(SealedOriginal { bytes, width: encoded.width, height: encoded.height, sha256 })
}

/// What [`make_picture`] and [`make_crowd_picture`] make unrecognisable: for measuring redaction, which must
/// not have a geometry of its own.
#[derive(Debug)]
pub struct Hidden {
    regions: Regions,
    crowd: Option<CrowdArea>,
    size: (u32, u32),
}

impl Hidden {
    /// As for a picture of this size with these boxes, of crowding in the zone `crowd`.
    pub fn of(
        boxes: &[Detection],
        crowd: Option<&Polygon>,
        (width, height): (u32, u32),
    ) -> Result<Self, EvidenceError> {
        let regions = Regions::of(boxes, crowd, width, height)?;
        let crowd = crowd.map(|zone| CrowdArea::new(zone, boxes, width, height));
        Ok(Self { regions, crowd, size: (width, height) })
    }

    /// Whether nothing can be known of what lies here; in shares of the picture.
    #[must_use]
    pub fn covers(&self, point: Point) -> bool {
        let (x, y) = (pixel(point.x, self.size.0), pixel(point.y, self.size.1));
        self.regions.cover(x, y) || self.crowd.as_ref().is_some_and(|crowd| crowd.covers(x, y))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the picture")]
fn pixel(share: f64, side: u32) -> usize {
    (share * f64::from(side)).clamp(0.0, f64::from(side.saturating_sub(1))) as usize
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all it is given");
        text
    })
}

#[cfg(test)]
mod tests;
