//! How a camera wants to know who asks: one DESCRIBE without credentials, which counts as no login.
//! The RTSP library answers the challenge by itself and does not tell.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::boundary::without_credentials;
use super::probe::Authentication;

const LONGEST_HEADER: usize = 8192;
const RTSP_PORT: u16 = 554;

pub(super) async fn ask(url: &Url, timeout: Duration) -> Authentication {
    let answer = tokio::time::timeout(timeout, first_header(&without_credentials(url))).await;
    answer.ok().and_then(Result::ok).map_or(Authentication::Unknown, |header| read(&header))
}

async fn first_header(url: &Url) -> std::io::Result<String> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, url.port().unwrap_or(RTSP_PORT))).await?;
    let request = format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut header = Vec::new();
    while header.len() < LONGEST_HEADER && !header.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut header).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&header).into_owned())
}

fn read(header: &str) -> Authentication {
    let mut lines = header.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let schemes: Vec<String> = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
        .filter_map(|(_, value)| value.split_whitespace().next().map(str::to_ascii_lowercase))
        .collect();
    match status {
        Some("200") => Authentication::None,
        Some("401") if schemes.iter().any(|scheme| scheme == "digest") => Authentication::Digest,
        Some("401") if schemes.iter().any(|scheme| scheme == "basic") => Authentication::Basic,
        Some(_) | None => Authentication::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_scheme_counts() {
        assert_eq!(read("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"), Authentication::None);
        let both = "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nwww-authenticate: Digest realm=\"x\"\r\n\r\n";
        assert_eq!(read(both), Authentication::Digest);
        assert_eq!(read("RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"), Authentication::Basic);
        assert_eq!(read("HTTP nonsense"), Authentication::Unknown);
    }
}
