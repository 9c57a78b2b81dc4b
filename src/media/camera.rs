//! One camera's task.
use super::boundary::WatchCamera;
use super::live::Shared;
use super::mailbox::Mailbox;
use crate::domain::camera::LookPlan;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(
    _camera: WatchCamera,
    _shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    _plans: tokio::sync::watch::Receiver<Option<LookPlan>>,
    _stop: CancellationToken,
) {
    mailbox.end();
}
