//! The rules of this code base that a compiler does not know, as tests.

use std::fs;
use std::path::{Path, PathBuf};

/// Lower may not know higher, and equals may not know each other.
const LAYERS: [(&str, u8); 19] = [
    ("domain", 0),
    ("clock", 1),
    ("config", 1),
    ("contract", 1),
    ("telemetry", 1),
    ("media", 2),
    ("inference", 2),
    ("scene", 2),
    ("evidence", 2),
    ("store", 2),
    ("mqtt", 2),
    ("spool", 2),
    ("catalogue", 2),
    ("signing", 2),
    ("pipeline", 3),
    ("daemon", 4),
    ("evaluation", 4),
    ("cli", 5),
    ("main", 6),
];

/// Crates that one folder alone may name.
const OWNED_CRATES: [(&str, &str); 11] = [
    ("retina", "media"),
    ("ffmpeg_next", "media"),
    ("ffmpeg", "media"),
    ("ort", "inference"),
    ("ndarray", "inference"),
    ("rusqlite", "store"),
    ("rumqttc", "mqtt"),
    ("mozjpeg", "evidence"),
    ("ureq", "catalogue"),
    ("indicatif", "cli"),
    ("sd_notify", "daemon"),
];

/// Incidents, not identities: words that name what this program must not be able to do.
const IDENTITY_WORDS: [&str; 12] = [
    "face",
    "faces",
    "facial",
    "embedding",
    "embeddings",
    "reid",
    "reidentification",
    "gait",
    "ocr",
    "anpr",
    "gender",
    "ethnicity",
];
/// A plate's band may be blurred; its characters are nobody's business.
const AFTER_PLATE: [&str; 7] = ["number", "text", "reader", "reading", "recognition", "characters", "string"];

const MAX_LINES: usize = 400;
/// Files that may be longer, each with the reason.
const LONG_FILES: [(&str, &str); 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder`, without build outputs, caches and version control; sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let entry = entry.expect("a readable entry");
            let name = entry.file_name();
            if ["target", ".cache", ".git", "__pycache__"].iter().any(|skipped| name == *skipped) {
                continue;
            }
            let kind = entry.file_type().expect("a file type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn rust_sources() -> Vec<(String, String)> {
    let rust = files(&root().join("src")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (relative(&path), fs::read_to_string(&path).expect("UTF-8"))).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned()
}

/// The folder or file of `src` that a source belongs to.
fn module_of(path: &str) -> &str {
    let first = path.trim_start_matches("src/").split('/').next().unwrap_or_default();
    first.trim_end_matches(".rs")
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

/// The source without comments and the contents of string literals.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|r| (r.chars().take_while(|c| *c == '#').count(), r));
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = &rest[rest.find("*/").map_or(rest.len(), |end| end + 2)..];
        } else if let Some((hashes, after)) = raw.filter(|(hashes, r)| r[*hashes..].starts_with('"')) {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &after[hashes + 1..];
            rest = &body[body.find(&end).map_or(body.len(), |at| at + end.len())..];
            code.push_str("\"\"");
        } else if next == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            rest = &rest[end.map_or(rest.len(), |end| end + 2)..];
            code.push_str("\"\"");
        } else if let Some(after) = rest.strip_prefix("'\"'").or_else(|| rest.strip_prefix("'\\\"'")) {
            rest = after;
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// `PlateReader` and `plate_reader` are both `plate reader`.
fn words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in identifier.chars() {
        if c == '_' || (c.is_uppercase() && words.last().is_some_and(|w| w.ends_with(char::is_lowercase))) {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("never empty").extend(c.to_lowercase());
        }
    }
    words
}

/// The top-level modules that a source names, whether in `use` or in a path.
fn imported_modules(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, path) in code.match_indices("crate::").chain(code.match_indices("super::super::")) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let after = &code[at + path.len()..];
        let Some(group) = after.strip_prefix('{') else {
            found.extend(identifiers(after).next());
            continue;
        };
        let (mut depth, mut expects_name) = (0_u32, true);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expects_name = true,
                c if expects_name && c.is_alphabetic() => {
                    found.extend(identifiers(&group[i..]).next());
                    expects_name = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn layers_are_only_imported_downward() {
    let mut findings = Vec::new();
    for (path, source) in rust_sources() {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let Some(layer) = layer_of(module) else {
            findings.push(format!("{path}: `{module}` has no layer; give it one here and in ARCHITECTURE.md"));
            continue;
        };
        let code = code_only(&source);
        for imported in imported_modules(&code) {
            if let Some(other) = layer_of(imported).filter(|other| imported != module && *other >= layer) {
                findings.push(format!("{path}: L{layer} `{module}` names `{imported}` of L{other}"));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn outside_libraries_stay_in_their_folder() {
    let mut findings = Vec::new();
    for (path, source) in rust_sources() {
        let code = code_only(&source);
        for (library, owner) in OWNED_CRATES {
            let used = code
                .match_indices(&format!("{library}::"))
                .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            let imported = code.contains(&format!("use {library};")) || code.contains(&format!("use {library} as"));
            if (used || imported) && module_of(&path) != owner {
                findings.push(format!("{path}: names `{library}`, which belongs to src/{owner}"));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn the_domain_iterates_in_order_and_does_nothing_else() {
    let mut findings = Vec::new();
    for (path, source) in rust_sources().into_iter().filter(|(path, _)| module_of(path) == "domain") {
        let code = code_only(&source);
        for word in identifiers(&code) {
            if ["HashMap", "HashSet", "async", "tokio", "tracing", "rand", "SystemTime", "Instant"].contains(&word) {
                findings.push(format!("{path}: `{word}` in the domain"));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn nothing_can_identify_a_person() {
    let mut findings = Vec::new();
    for (path, source) in rust_sources() {
        for identifier in identifiers(&code_only(&source)) {
            let words = words(identifier);
            let identity = words.iter().any(|word| IDENTITY_WORDS.contains(&word.as_str()));
            let plate = words.windows(2).any(|pair| {
                pair[0].starts_with("plate") && AFTER_PLATE.contains(&pair[1].as_str())
                    || ["read", "recognise", "recognize"].contains(&pair[0].as_str()) && pair[1].starts_with("plate")
            });
            if identity || plate {
                findings.push(format!("{path}: `{identifier}`"));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn files_are_short_enough_to_be_read() {
    let mut findings = Vec::new();
    let folders = ["src", "tests", "scripts"].map(|folder| root().join(folder));
    for path in folders.iter().filter(|folder| folder.exists()).flat_map(|folder| files(folder)) {
        let name = relative(&path);
        if LONG_FILES.iter().any(|(long, _)| *long == name) {
            continue;
        }
        let is_code = path.extension().is_none_or(|e| e == "rs" || e == "py" || e == "sh");
        let Some(text) = fs::read_to_string(&path).ok().filter(|_| is_code) else { continue };
        let lines = text.lines().count();
        if lines > MAX_LINES {
            findings.push(format!("{name}: {lines} lines, {MAX_LINES} is the most"));
        }
    }
    assert_none(&findings);
}

#[test]
fn paths_named_in_the_documents_exist() {
    let mut findings = Vec::new();
    let pages = [
        "platform",
        "models",
        "evaluation",
        "outbox",
        "audit",
        "truth",
        "evidence",
        "keys",
        "delivery",
        "service",
        "endurance",
    ]
    .map(|page| format!("docs/{page}.md"));
    let top = ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"].map(str::to_owned);
    for document in top.into_iter().chain(pages) {
        let Ok(text) = fs::read_to_string(root().join(&document)) else {
            findings.push(format!("{document}: missing"));
            continue;
        };
        let folder = root().join(&document).parent().expect("a folder").to_owned();
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in linked.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            if !folder.join(link.split('#').next().unwrap_or(link)).exists() {
                findings.push(format!("{document}: the link to {link} leads nowhere"));
            }
        }
        for quoted in text.split('`').skip(1).step_by(2) {
            let path = quoted.split_whitespace().next().unwrap_or_default();
            let tops = ["src/", "tests/", "scripts/", "models/", "config/", "contract/", "systemd/", "docs/", ".ci/"];
            let is_path = tops.iter().any(|top| path.starts_with(top)) && !path.contains(['*', '<', '{', '…']);
            if is_path && !root().join(path).exists() {
                findings.push(format!("{document}: {path} does not exist"));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn files_speak_of_no_machine_and_of_no_session() {
    // Put together here, so that this file does not find itself.
    let needles = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/ho", "me/"].concat(),
        ["clau", "de"].concat(),
        ["anthro", "pic"].concat(),
        ["chat", "gpt"].concat(),
        ["co", "pilot"].concat(),
        ["language", " model"].concat(),
    ];
    let mut findings = Vec::new();
    for path in files(root()).iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let Ok(text) = fs::read_to_string(path) else { continue };
        for (i, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            if let Some(needle) = needles.iter().find(|needle| line.contains(needle.as_str())) {
                findings.push(format!("{}:{}: {needle}", relative(path), i + 1));
            }
        }
    }
    assert_none(&findings);
}

#[cfg(unix)]
#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;

    let mut findings = Vec::new();
    for folder in ["scripts", ".ci", "models", "tests"].map(|folder| root().join(folder)) {
        for path in if folder.exists() { files(&folder) } else { Vec::new() } {
            let is_script = fs::read(&path).expect("readable").starts_with(b"#!");
            let executable = path.metadata().expect("metadata").permissions().mode() & 0o111 != 0;
            if is_script != executable {
                findings.push(format!(
                    "{}: has {}",
                    relative(&path),
                    if is_script { "`#!` but is not executable" } else { "no `#!` but is executable" }
                ));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn the_scanner_sees_code_and_only_code() {
    let source =
        "use crate::{media::x, store}; // crate::cli\nlet a = \"crate::mqtt \\\" crate::spool\"; crate::scene::y()";
    assert_eq!(imported_modules(&code_only(source)), ["media", "store", "scene"]);
    assert_eq!(code_only("r#\"a \" b\"# 'c' '\"' d"), "\"\" 'c'  d");
    assert_eq!(words("PlateReader"), ["plate", "reader"]);
    assert_eq!(module_of("src/media/rtsp.rs"), "media");
    assert_eq!(module_of("src/clock.rs"), "clock");
}
