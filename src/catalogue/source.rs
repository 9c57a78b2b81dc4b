//! From which address a file comes.

use url::Url;

use super::Entry;

/// Another place to get the catalogue's files from: hubs are slow or closed in some networks.
///
/// `{url}` in it stands for the whole address of the catalogue, `{path}` for the part after the host, and
/// `{file}` for the file's name in a folder of models; without any of them the file's name is added, so that
/// a copied folder of models on a web server is a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror(String);

/// A mirror that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mirror's address must begin with https:// or http:// and may hold {{url}}, {{path}} or {{file}}")]
pub struct MirrorError;

impl std::str::FromStr for Mirror {
    type Err = MirrorError;

    fn from_str(text: &str) -> Result<Self, MirrorError> {
        let mirror = Self(text.to_owned());
        mirror.fill("https://example.invalid/model.onnx", "model.onnx", "model.onnx").map(|_| mirror)
    }
}

impl Mirror {
    /// Where `entry` is here; `file` is its name in a folder of models.
    pub fn address(&self, entry: &Entry, file: &str) -> Result<Url, MirrorError> {
        let path = match entry.url.query() {
            Some(query) => format!("{}?{query}", entry.url.path()),
            None => entry.url.path().to_owned(),
        };
        self.fill(entry.url.as_str(), path.trim_start_matches('/'), file)
    }

    fn fill(&self, url: &str, path: &str, file: &str) -> Result<Url, MirrorError> {
        let template = &self.0;
        let has_place = ["{url}", "{path}", "{file}"].iter().any(|place| template.contains(place));
        let filled = if has_place {
            template.replace("{url}", url).replace("{path}", path).replace("{file}", file)
        } else {
            format!("{}/{file}", template.trim_end_matches('/'))
        };
        let address = Url::parse(&filled).map_err(|_| MirrorError)?;
        if ["https", "http"].contains(&address.scheme()) && address.has_host() { Ok(address) } else { Err(MirrorError) }
    }
}

/// An address as it may be shown.
pub(super) fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    // Only addresses without a host refuse, and those have no credentials either.
    let hidden = shown.set_password(None).and_then(|()| shown.set_username(""));
    if hidden.is_err() { "an address without a host".to_owned() } else { shown.into() }
}
