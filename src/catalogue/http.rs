//! The one file that knows the HTTP library.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, ProxyBuilder};
use url::Url;

use super::FetchError;
use super::source::without_credentials;

const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// A hub that looks for the file answers late, and so does a proxy that scans.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// A line that has carried nothing for so long is dead; a slow one is not.
const SILENT_FOR: Duration = Duration::from_secs(30);
const UNKNOWN_HOST: &str = "no such host is known: is the network up, and its name server set?";

/// What stands between this box and the internet.
#[derive(Clone, Default)]
pub struct Proxy {
    /// `http://name:password@host:port`; shown nowhere.
    pub address: Option<String>,
    /// Hosts that are reached without it; `.example.com` is a whole domain, `*` is everything.
    pub except: Vec<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("is_set", &self.address.is_some()).field("except", &self.except).finish()
    }
}

/// Gets files over HTTP.
#[derive(Debug)]
pub struct Client {
    secure: Agent,
    plain: Agent,
}

/// The beginning of an answer that brings the file.
pub(super) struct Answer {
    /// Which byte of the file comes first.
    pub(super) start: u64,
    /// Size of the whole file, if the server says it.
    pub(super) size: Option<u64>,
    /// The server's mark of this version, if it is one that stands for every byte.
    pub(super) etag: Option<String>,
    /// A page for people to look at.
    pub(super) web_page: bool,
    /// What comes.
    pub(super) body: Box<dyn Read>,
}

impl Client {
    /// Trusts the authorities of the system. The error is in words, for the user.
    pub fn new(proxy: &Proxy) -> Result<Self, String> {
        let proxy = proxy.address.as_deref().map(|address| library_proxy(address, &proxy.except)).transpose()?;
        let found = rustls_native_certs::load_native_certs().certs;
        let roots: RootCerts = found.iter().map(|root| Certificate::from_der(root).to_owned()).into();
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = |https_only| {
            Agent::config_builder()
                .https_only(https_only)
                .proxy(proxy.clone())
                .tls_config(tls.clone())
                .http_status_as_error(false)
                .timeout_resolve(Some(CONNECT_WITHIN))
                .timeout_connect(Some(CONNECT_WITHIN))
                .timeout_recv_response(Some(ANSWER_WITHIN))
                .timeout_per_read(Some(SILENT_FOR))
                .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")))
                .build()
                .new_agent()
        };
        Ok(Self { secure: agent(true), plain: agent(false) })
    }

    /// Asks for the file from byte `start` on, if it is still the version of `etag`. The answer may start at 0
    /// all the same. An address with `https` is not led to one without.
    pub(super) fn get(&self, url: &Url, start: u64, etag: Option<&str>) -> Result<Answer, FetchError> {
        let agent = if url.scheme() == "https" { &self.secure } else { &self.plain };
        let mut request = agent.get(url.as_str());
        if start > 0 {
            request = request.header(header::RANGE, format!("bytes={start}-"));
            if let Some(etag) = etag {
                request = request.header(header::IF_RANGE, etag);
            }
        }
        let response = request.call().map_err(|error| lost(url, &error))?;
        let status = response.status().as_u16();
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (start, size) = match status {
            200 => (0, text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok())),
            206 => text(header::CONTENT_RANGE).and_then(content_range).ok_or_else(|| FetchError::Unreachable {
                url: without_credentials(url),
                reason: "the server sends a part of the file and does not say which".to_owned(),
                temporary: false,
            })?,
            _ => return Err(FetchError::Refused { url: without_credentials(url), status }),
        };
        let (etag, web_page) = (strong_etag(headers), text(header::CONTENT_TYPE).is_some_and(is_web_page));
        Ok(Answer { start, size, etag, web_page, body: Box::new(response.into_body().into_reader()) })
    }
}

fn is_web_page(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Weak ones (RFC 9110, 8.8.3) promise the same meaning, not the same bytes.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(header::ETAG)?.to_str().ok()?.trim();
    (etag.starts_with('"') && etag.len() > 2).then(|| etag.to_owned())
}

/// First byte and size of the whole of `bytes 30000-99999/100000`; the size may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    Some((start, size.trim().parse().ok()))
}

/// Taken apart and put together again, since only the builder takes exceptions.
fn library_proxy(address: &str, except: &[String]) -> Result<ureq::Proxy, String> {
    let wrong =
        || "the proxy in HTTPS_PROXY (or ALL_PROXY, HTTP_PROXY) is not understood; write http://host:port".to_owned();
    let parsed = ureq::Proxy::new(address).map_err(|_| wrong())?;
    let mut builder: ProxyBuilder = ureq::Proxy::builder(parsed.protocol()).host(parsed.host()).port(parsed.port());
    if let Some(name) = parsed.username() {
        builder = builder.username(name);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    except.iter().fold(builder, |builder, host| builder.no_proxy(host)).build().map_err(|_| wrong())
}

/// The connection's failure, for people. The library's own words may repeat the address with its credentials.
pub(super) fn lost(url: &Url, error: &ureq::Error) -> FetchError {
    if let Some(rustls::Error::InvalidCertificate(why)) = tls_fault(error) {
        let advice = "is this box's clock right, is ca-certificates installed, does a filter stand in between?";
        let reason = format!("its certificate is not accepted ({why}); {advice}");
        return FetchError::Unreachable { url: without_credentials(url), reason, temporary: false };
    }
    #[allow(clippy::wildcard_enum_match_arm, reason = "the library's list of errors is open")]
    let (reason, temporary) = match error {
        ureq::Error::HostNotFound => (UNKNOWN_HOST.to_owned(), true),
        // The standard library has no kind for it.
        ureq::Error::Io(error) if error.to_string().starts_with("failed to lookup address") => {
            (UNKNOWN_HOST.to_owned(), true)
        }
        ureq::Error::Timeout(_) => ("no answer in time".to_owned(), true),
        ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
            ("the connection ended before the file did".to_owned(), true)
        }
        ureq::Error::Io(error) => (error.to_string(), true),
        ureq::Error::ConnectionFailed => ("no connection".to_owned(), true),
        ureq::Error::ConnectProxyFailed(why) => (format!("the proxy refuses: {why}"), false),
        ureq::Error::RequireHttpsOnly(to) => {
            let to = to.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
            (format!("leads to {to} without https; that is not followed"), false)
        }
        ureq::Error::TooManyRedirects => ("leads in a circle".to_owned(), false),
        other => (other.to_string(), false),
    };
    FetchError::Unreachable { url: without_credentials(url), reason, temporary }
}

/// It comes bare or packed, according to when it was found.
fn tls_fault(error: &ureq::Error) -> Option<&rustls::Error> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the library's list of errors is open")]
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_marks_are_read() {
        assert_eq!(content_range("bytes 30000-99999/100000"), Some((30_000, Some(100_000))));
        assert_eq!(content_range("bytes 1-9/*"), Some((1, None)));
        for wrong in ["bytes */100000", "30000-99999/100000", "bytes 1/2", ""] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
        let marked = |etag: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ETAG, etag.parse().expect("a header"));
            strong_etag(&headers)
        };
        assert_eq!(marked("\"abc\""), Some("\"abc\"".to_owned()));
        assert_eq!(marked("W/\"abc\""), None);
        assert!(is_web_page("text/html; charset=utf-8") && !is_web_page("application/octet-stream"));
    }

    #[test]
    fn a_proxy_keeps_its_login_to_itself() {
        let proxy = Proxy { address: Some("http://me:secret@proxy.example:3128".to_owned()), except: Vec::new() };
        assert!(!format!("{proxy:?}").contains("secret"));
        let built = library_proxy("http://me:secret@proxy.example:3128", &["127.0.0.1".to_owned()]).expect("a proxy");
        assert!(built.is_no_proxy(&"http://127.0.0.1/x".parse().expect("an address")));
        assert!(!built.is_no_proxy(&"http://example.com/x".parse().expect("an address")));
        assert_eq!((built.host(), built.port(), built.password()), ("proxy.example", 3128, Some("secret")));
        let error = library_proxy("http://me:secret@:::", &[]).expect_err("no proxy");
        assert!(!error.contains("secret"), "{error}");
    }
}
