//! A session of either kind, and how it is opened and closed.

use std::sync::Arc;

use super::access_unit::Codec;
use super::boundary::ResolvedSource;
use super::decoder::DecoderSpec;
use super::file::FilePlayer;
use super::ingest::{Fault, Received};
use super::live::Shared;
use super::rtsp::{self, Limits, Login, RtspSession};
use crate::config::Transport;

/// Something that gives compressed pictures.
#[derive(Debug)]
pub(super) enum Session {
    Rtsp(RtspSession),
    File(FilePlayer),
}

impl Session {
    pub(super) async fn open(source: &ResolvedSource, shared: &Shared) -> Result<Self, Fault> {
        let options = &shared.options;
        let clock = Arc::clone(&shared.clock);
        match source {
            ResolvedSource::Rtsp { url, username, password, transport } => {
                let login = Login {
                    url: url.clone(),
                    username: username.clone(),
                    password: password.clone(),
                    transport: *transport,
                };
                let limits = Limits {
                    request_timeout: options.request_timeout,
                    teardown_timeout: options.teardown_timeout,
                    max_pixels: options.max_pixels,
                };
                rtsp::open(&login, limits, shared.gate.as_ref(), clock).await.map(Self::Rtsp)
            }
            ResolvedSource::File { path, repeat } => {
                FilePlayer::open(path.clone(), *repeat, options.max_pixels, clock).await.map(Self::File)
            }
        }
    }

    /// The next picture; `None` at the end of a clip. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Received>, Fault> {
        match self {
            Self::Rtsp(session) => session.next().await.map(Some),
            Self::File(player) => player.next().await,
        }
    }

    /// How to make a decoder for what this session gives.
    pub(super) fn decoder_spec(&self, codec: Codec, max_pixels: u32) -> DecoderSpec {
        match self {
            Self::Rtsp(_) => DecoderSpec { codec, max_pixels, parameters: None },
            Self::File(player) => player.spec.clone(),
        }
    }

    pub(super) fn transport(&self) -> Option<Transport> {
        match self {
            Self::Rtsp(session) => Some(session.transport()),
            Self::File(_) => None,
        }
    }

    pub(super) async fn close(self, shared: &Shared) {
        let timeout = shared.options.teardown_timeout;
        match self {
            Self::Rtsp(session) => session.close(timeout).await,
            Self::File(player) => player.close(timeout).await,
        }
    }
}
