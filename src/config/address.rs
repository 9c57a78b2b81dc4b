//! Addresses of cameras. No message here repeats one: it may hold a password.

use url::Url;

/// Query parameters in which some cameras take their password, whatever stands before them.
const PASSWORD_WORDS: [&str; 4] = ["password=", "passwd=", "pwd=", "pass="];

/// Why an address cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL at all, one of another kind, or one without a host.
    #[error("is not the address of a camera or clip")]
    Malformed,
    /// `rtsps:`.
    #[error("RTSP over TLS is not supported")]
    Tls,
    /// User name or password in the address.
    #[error("holds a user name or password")]
    Credentials,
}

impl AddressError {
    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Malformed => "write \"rtsp://host:554/path\", or \"file:clip.mp4\" for a clip",
            Self::Tls => "use rtsp:// in a network of the cameras' own",
            Self::Credentials => {
                "take them out of the address, give `username` and `password`, and change the password if others \
                 could read it here"
            }
        }
    }
}

/// An `rtsp:` address without credentials.
pub fn parse(text: &str) -> Result<Url, AddressError> {
    let mut url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
    match url.scheme() {
        "rtsp" => {}
        "rtsps" => return Err(AddressError::Tls),
        _ => return Err(AddressError::Malformed),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(AddressError::Malformed);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials);
    }
    url.set_fragment(None);
    Ok(url)
}

/// Whether the path or query seems to hold a password, as the addresses of some makers do.
#[must_use]
pub fn may_hold_password(url: &Url) -> bool {
    let address = url.as_str().to_ascii_lowercase();
    PASSWORD_WORDS.iter().any(|word| address.contains(word))
}

/// Whether a host is this machine: what goes there leaves it on no line.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
