//! A reference to a secret, or the secret itself.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::config::model::Secret;

/// Either form in which a secret can be written.
#[derive(Debug)]
pub(in crate::config) enum RawSecret {
    /// Written out.
    Inline(Secret),
    /// To be found elsewhere.
    Reference(RawSecretReference),
}

/// Where a secret is to be found: exactly one of the keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSecretReference {
    /// Name of a systemd credential (`LoadCredential=` in the unit).
    pub(in crate::config) credential: Option<String>,
    /// A file that only the service may read.
    pub(in crate::config) file: Option<PathBuf>,
    /// Name of an environment variable.
    pub(in crate::config) env: Option<String>,
}

impl<'de> Deserialize<'de> for RawSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = RawSecret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ credential = \"…\" }, { file = \"…\" } or { env = \"…\" }")
    }

    fn visit_str<E>(self, value: &str) -> Result<RawSecret, E> {
        Ok(RawSecret::Inline(Secret::new(value.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawSecret, A::Error> {
        RawSecretReference::deserialize(MapAccessDeserializer::new(map)).map(RawSecret::Reference)
    }
}

/// Defaults are serialised for the schema; none of them holds a secret.
impl Serialize for RawSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl JsonSchema for RawSecret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reference = RawSecretReference::json_schema(generator);
        json_schema!({ "anyOf": [reference, { "type": "string" }] })
    }
}
