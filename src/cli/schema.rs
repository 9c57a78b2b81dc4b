//! `gridwatch schema`.

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::{Exit, output};
use crate::config::reference;
use crate::contract::schema::document;

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gridwatch schema config > gridwatch.schema.json")]
pub struct SchemaArgs {
    /// Which document
    #[arg(value_enum)]
    pub document: Document,
    /// For `config`: the reference page instead of the JSON Schema
    #[arg(long)]
    pub markdown: bool,
}

/// The documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// JSON Schema of an event's data
    Event,
    /// JSON Schema of the `CloudEvents` envelope around it
    Envelope,
    /// JSON Schema of a platform's answer
    Feedback,
    /// JSON Schema of a command
    Command,
    /// JSON Schema of the answer to a command
    Response,
    /// JSON Schema of the gateway's presence
    State,
    /// JSON Schema of what runs in the gateway
    Info,
    /// JSON Schema of a camera's state
    CameraState,
    /// JSON Schema of the counters
    Metrics,
    /// JSON Schema of the configuration
    Config,
    /// `AsyncAPI` description of every topic
    Asyncapi,
}

/// Runs the command.
pub fn execute(args: &SchemaArgs) -> anyhow::Result<Exit> {
    match args.document {
        Document::Config if args.markdown => output::line(reference::markdown().trim_end())?,
        Document::Config => output::line(&serde_json::to_string_pretty(&reference::json_schema())?)?,
        Document::Event
        | Document::Envelope
        | Document::Feedback
        | Document::Command
        | Document::Response
        | Document::State
        | Document::Info
        | Document::CameraState
        | Document::Metrics
        | Document::Asyncapi => {
            let value = args.document.to_possible_value().context("a document without a name")?;
            let text = document(value.get_name()).with_context(|| format!("no document `{}`", value.get_name()))?;
            output::line(text.trim_end())?;
        }
    }
    Ok(Exit::Success)
}
