//! A worker's end of the wire.

use std::io;
use std::os::fd::OwnedFd;

use tokio::net::UnixDatagram;

use crate::media::wire::{self, MESSAGE_BYTES, Order, Report};

/// Messages of one datagram each, so that none has to be put together.
#[derive(Debug)]
pub(super) struct Link {
    socket: UnixDatagram,
}

impl Link {
    /// Over an inherited socket; call it within the runtime.
    pub(super) fn over(socket: OwnedFd) -> io::Result<Self> {
        let not_ours = |error| io::Error::new(error, "a media worker is started by the gateway, not by hand");
        if !rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&socket)?.st_mode).is_socket() {
            return Err(not_ours(io::ErrorKind::InvalidInput));
        }
        let socket = std::os::unix::net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixDatagram::from_std(socket)? })
    }

    pub(super) async fn say(&self, report: &Report) -> io::Result<()> {
        self.socket.send(&wire::encode(report)?).await.map(drop)
    }

    /// Cancel-safe.
    pub(super) async fn hear(&self) -> io::Result<Order> {
        let mut message = vec![0; MESSAGE_BYTES];
        let length = self.socket.recv(&mut message).await?;
        serde_json::from_slice(&message[..length]).map_err(io::Error::other)
    }
}
