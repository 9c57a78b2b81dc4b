//! `[mqtt]` and `[spool]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::RawSecret;
use crate::config::model::ReleaseOn;

/// The platform's broker, MQTT 5. Without this table events go into the spool directory.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawMqtt {
    /// Host name or address, without `mqtt://` and port.
    #[schemars(extend("x-required" = true))]
    pub(in crate::config) host: Option<String>,
    /// 8883 with `[mqtt.tls]`, 1883 without it, unless set.
    #[schemars(range(min = 1, max = 65535))]
    pub(in crate::config) port: Option<u64>,
    /// First levels of every topic.
    pub(in crate::config) root_topic: String,
    /// Seconds between pings on an idle connection.
    #[schemars(range(min = 5, max = 1200))]
    pub(in crate::config) keep_alive_s: u64,
    /// User name at the broker; `gateway.id` unless set. The contract's access rules expect the gateway's id
    /// in it, so set it only where the broker wants another form, such as `gw-0007@example`.
    pub(in crate::config) username: Option<String>,
    /// Password of this user. Without it none is sent.
    pub(in crate::config) password: Option<RawSecret>,
    /// When the outbox lets a message go. `puback`: the broker has it. `receipt`: the platform has sent
    /// `received`. `auto`: receipts as soon as the platform has sent its first.
    pub(in crate::config) release_on: ReleaseOn,
    /// Encrypts the connection.
    pub(in crate::config) tls: Option<RawTls>,
}

impl Default for RawMqtt {
    fn default() -> Self {
        Self {
            host: None,
            port: None,
            root_topic: "grid/v1".to_owned(),
            keep_alive_s: 30,
            username: None,
            password: None,
            release_on: ReleaseOn::Auto,
            tls: None,
        }
    }
}

/// Certificates of the connection to the broker, PEM files.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTls {
    /// Authorities that may have signed the broker's certificate. Without it the system's are used.
    pub(in crate::config) ca_file: Option<PathBuf>,
    /// Certificate of this box, where the broker asks for one.
    pub(in crate::config) client_cert_file: Option<PathBuf>,
    /// Its private key.
    pub(in crate::config) client_key: Option<RawSecret>,
}

/// Delivery without a broker: one folder an event, to be fetched by whatever the site allows.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSpool {
    /// Where the folders are put; `spool` in the state directory unless set.
    pub(in crate::config) directory: Option<PathBuf>,
}
