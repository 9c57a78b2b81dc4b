//! A scene folder: `scene.toml` and the configuration beside it, read and checked. See `docs/truth.md`.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use crate::config::{self, Camera, Config};
use crate::domain::Timestamp;
use crate::domain::incident::Kind;
use crate::domain::rules::params::Rule;

/// The file that makes a folder a scene.
pub const SCENE_FILE: &str = "scene.toml";
/// The configuration beside it.
pub const CONFIG_FILE: &str = "gridwatch.toml";

/// A mistake in a scene folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneError {
    /// The file, as it was found.
    pub file: PathBuf,
    /// From 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// The key; empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SceneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for SceneError {}

/// Every mistake of the scenes below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneErrors(pub Vec<SceneError>);

impl fmt::Display for SceneErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for SceneErrors {}

impl From<SceneError> for SceneErrors {
    fn from(error: SceneError) -> Self {
        Self(vec![error])
    }
}

/// Seconds of a scene in which something of a kind is the case in a zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Of what.
    pub kind: Kind,
    /// Where.
    pub zone: String,
    /// Seconds of the scene.
    pub from_s: f64,
    /// Seconds of the scene; the scene's end where the truth names none.
    pub until_s: f64,
}

/// One scene of one camera.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The folder, below the one that was named, with `/`.
    pub name: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// What it is judged by; holds this camera alone.
    pub config: Config,
    /// Pictures, if it has any.
    pub clip: Option<PathBuf>,
    /// Boxes, if it has any.
    pub truth: Option<PathBuf>,
    /// When the first picture was taken.
    pub start: Timestamp,
    /// How long it lasts.
    pub seconds: f64,
    /// What the report is broken down by.
    pub conditions: Vec<String>,
    /// What it is about.
    pub story: String,
    /// The part of a set that it belongs to.
    pub split: String,
    /// The stock that its street and things come from.
    pub stock: String,
    /// What really happened.
    pub incidents: Vec<Span>,
    /// When an incident would be neither right nor wrong.
    pub ignored: Vec<Span>,
}

impl Scene {
    /// The camera it is about.
    #[must_use]
    pub fn camera(&self) -> &Camera {
        // `load` keeps exactly one.
        &self.config.cameras[0]
    }

    /// The rules that watch `zone` for `kind`.
    pub fn rules(&self, kind: Kind, zone: &str) -> impl Iterator<Item = &Rule> {
        self.camera().rules.iter().filter(move |rule| rule.kind() == kind && rule.common().zone == zone)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScene {
    version: Spanned<u32>,
    camera: Option<Spanned<String>>,
    clip: Option<Spanned<PathBuf>>,
    truth: Option<Spanned<PathBuf>>,
    start: Spanned<Datetime>,
    seconds: Spanned<f64>,
    #[serde(default)]
    conditions: Vec<String>,
    #[serde(default)]
    story: String,
    #[serde(default)]
    split: String,
    #[serde(default)]
    stock: String,
    #[serde(default, rename = "incident")]
    incidents: Vec<RawSpan>,
    #[serde(default, rename = "ignore")]
    ignored: Vec<RawSpan>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpan {
    kind: Spanned<Kind>,
    zone: Spanned<String>,
    from_s: Spanned<f64>,
    until_s: Option<Spanned<f64>>,
}

/// Every scene below `root`, in the order of their names, whose name or story `wanted` likes.
pub fn find(root: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Scene>, SceneErrors> {
    let mut folders = Vec::new();
    gather(root, &mut folders)?;
    folders.sort();
    let (mut scenes, mut errors) = (Vec::new(), Vec::new());
    for folder in folders {
        let below = folder.strip_prefix(root).unwrap_or(&folder);
        let name = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        let name = if name.is_empty() { ".".to_owned() } else { name };
        match load(&folder, name) {
            Ok(scene) if wanted(&scene.name) || wanted(&scene.story) => scenes.push(scene),
            Ok(_) => {}
            Err(found) => errors.extend(found.0),
        }
    }
    if !errors.is_empty() {
        return Err(SceneErrors(errors));
    }
    if scenes.is_empty() {
        let message = format!("no folder with a {SCENE_FILE} was found here, or none that was asked for");
        return Err(SceneError { file: root.to_owned(), line: 0, key: String::new(), message }.into());
    }
    Ok(scenes)
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), SceneError> {
    let failed = |error: std::io::Error| SceneError {
        file: folder.to_owned(),
        line: 0,
        key: String::new(),
        message: format!("cannot be read: {error}"),
    };
    if folder.join(SCENE_FILE).is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // What begins with a dot is being written, or hidden on purpose.
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if entry.file_type().map_err(failed)?.is_dir() && !hidden {
            gather(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// Reads one scene folder.
pub fn load(folder: &Path, name: String) -> Result<Scene, SceneErrors> {
    let file = folder.join(SCENE_FILE);
    let text = std::fs::read_to_string(&file).map_err(|error| SceneError {
        file: file.clone(),
        line: 0,
        key: String::new(),
        message: format!("cannot be read: {error}"),
    })?;
    let raw: RawScene = toml::from_str(&text).map_err(|error| {
        let (line, key) = place(&text, error.span());
        SceneError { file: file.clone(), line, key, message: error.message().to_owned() }
    })?;
    let (config, _) = config::load(&folder.join(CONFIG_FILE)).map_err(|errors| {
        let of = |finding: config::Finding| SceneError {
            file: finding.file,
            line: finding.line,
            key: finding.key,
            message: finding.message,
        };
        SceneErrors(errors.findings.into_iter().map(of).collect())
    })?;
    let mut check = Check { file, text: &text, errors: Vec::new() };
    let scene = check.scene(raw, config, (folder, name));
    match scene.filter(|_| check.errors.is_empty()) {
        Some(scene) => Ok(scene),
        None => Err(SceneErrors(check.errors)),
    }
}

/// Line, from 1, and key of a place in a TOML text.
fn place(text: &str, span: Option<Range<usize>>) -> (usize, String) {
    let Some(start) = span.map(|span| span.start.min(text.len())) else { return (0, String::new()) };
    let line = text[..start].matches('\n').count() + 1;
    let written = text.lines().nth(line - 1).unwrap_or_default();
    let key = written.split_once('=').map_or("", |(key, _)| key.trim());
    (line, key.to_owned())
}

struct Check<'a> {
    file: PathBuf,
    text: &'a str,
    errors: Vec<SceneError>,
}

impl Check<'_> {
    fn refuse(&mut self, span: Range<usize>, message: String) {
        let (line, key) = place(self.text, Some(span));
        self.errors.push(SceneError { file: self.file.clone(), line, key, message });
    }

    fn scene(&mut self, raw: RawScene, config: Config, (folder, name): (&Path, String)) -> Option<Scene> {
        if *raw.version.get_ref() != 1 {
            self.refuse(raw.version.span(), format!("is {}, only 1 is known", raw.version.get_ref()));
        }
        let seconds = *raw.seconds.get_ref();
        if !(seconds.is_finite() && seconds > 0.0) {
            self.refuse(raw.seconds.span(), "must be more than 0".to_owned());
        }
        let start = raw.start.get_ref().to_string().parse::<Timestamp>();
        if let Err(error) = &start {
            self.refuse(raw.start.span(), format!("must be a moment with an offset: {error}"));
        }
        let camera = self.camera(raw.camera.as_ref(), &config)?;
        let [clip, truth] = [raw.clip, raw.truth].map(|path| self.beside(path, folder));
        if clip.is_none() && truth.is_none() {
            self.refuse(0..0, "names neither `clip` nor `truth`: there is nothing to judge".to_owned());
        }
        let mut spans = |raw: Vec<RawSpan>| -> Vec<Span> {
            raw.into_iter().filter_map(|span| self.span(span, &camera, seconds)).collect()
        };
        let (incidents, ignored) = (spans(raw.incidents), spans(raw.ignored));
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        Some(Scene {
            name,
            folder: folder.to_owned(),
            config: Config { cameras: vec![camera], ..config },
            clip,
            truth,
            start: start.ok()?,
            seconds,
            conditions: raw.conditions,
            story: or(raw.story, "untold"),
            split: or(raw.split, "none"),
            stock: or(raw.stock, "common"),
            incidents,
            ignored,
        })
    }

    fn camera(&mut self, wanted: Option<&Spanned<String>>, config: &Config) -> Option<Camera> {
        let known = || config.cameras.iter().map(|camera| camera.id.as_str()).collect::<Vec<_>>().join(", ");
        let found = match wanted {
            Some(id) => config.cameras.iter().find(|camera| camera.id.as_str() == id.get_ref()),
            None => config.cameras.first().filter(|_| config.cameras.len() == 1),
        };
        if found.is_none() {
            let span = wanted.map_or(0..0, Spanned::span);
            self.refuse(span, format!("`camera` must be one of {CONFIG_FILE}: {}", known()));
        }
        found.cloned()
    }

    fn beside(&mut self, path: Option<Spanned<PathBuf>>, folder: &Path) -> Option<PathBuf> {
        let path = path?;
        let full = folder.join(path.get_ref());
        if full.is_file() {
            return Some(full);
        }
        self.refuse(path.span(), format!("{} does not exist", full.display()));
        None
    }

    fn span(&mut self, raw: RawSpan, camera: &Camera, seconds: f64) -> Option<Span> {
        let kind = *raw.kind.get_ref();
        let watched = |rule: &&Rule| rule.kind() == kind && rule.common().zone == *raw.zone.get_ref();
        if !camera.rules.iter().any(|rule| watched(&rule)) {
            let message = format!("no {} rule of {CONFIG_FILE} watches zone `{}`", kind.name(), raw.zone.get_ref());
            self.refuse(raw.zone.span(), message);
            return None;
        }
        let (from_s, until_s) = (*raw.from_s.get_ref(), raw.until_s.as_ref().map_or(seconds, |until| *until.get_ref()));
        if !(from_s.is_finite() && until_s.is_finite() && from_s < until_s) {
            self.refuse(raw.from_s.span(), format!("must be less than `until_s` ({until_s})"));
            return None;
        }
        Some(Span { kind, zone: raw.zone.into_inner(), from_s, until_s })
    }
}

#[cfg(test)]
mod tests;
