//! A TOML document that knows the place of every key.

use std::fmt::Write as _;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::key_path::{KeyPath, Step};

/// A parsed text.
pub(super) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// The document as far as it can be read, and every error of syntax.
    pub(super) fn parse(text: &'t str) -> (Self, Vec<Error>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        (Self { text, root }, errors)
    }

    /// A copy for taking things out.
    pub(super) fn tree(&self) -> Spanned<DeTable<'t>> {
        self.root.clone()
    }

    /// Line and column, from 1, of a byte offset.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Where the key stands, or the nearest table around it that exists.
    pub(super) fn offset_of(&self, path: &KeyPath) -> usize {
        let mut offset = 0;
        let mut node = Node::Table(self.root.get_ref());
        for step in &path.0 {
            let Some((start, next)) = node.down(step) else { break };
            offset = start;
            node = next;
        }
        offset
    }

    /// The path in words: an element of an array of tables is named by its `id`, or counted from 1.
    pub(super) fn label(&self, path: &KeyPath) -> String {
        let mut label = String::new();
        let mut node = Some(Node::Table(self.root.get_ref()));
        for step in &path.0 {
            node = node.and_then(|node| node.down(step)).map(|(_, next)| next);
            match step {
                Step::Key(key) if label.is_empty() => label.push_str(key),
                Step::Key(key) => label.extend([".", key]),
                Step::Index(index) => match node.as_ref().and_then(Node::id) {
                    Some(id) => label.extend(["[", id, "]"]),
                    None => write!(label, "[{}]", index + 1).unwrap_or_default(),
                },
            }
        }
        // Quoted keys may hold anything, and this goes to terminals and logs.
        label.replace(char::is_control, "?")
    }

    /// The value at a path.
    pub(super) fn value(&self, path: &KeyPath) -> Option<&DeValue<'t>> {
        let mut node = Node::Table(self.root.get_ref());
        for step in &path.0 {
            node = node.down(step)?.1;
        }
        match node {
            Node::Value(value) => Some(value),
            Node::Table(_) => None,
        }
    }
}

/// A place in the tree.
enum Node<'a, 't> {
    Table(&'a DeTable<'t>),
    Value(&'a DeValue<'t>),
}

impl<'a, 't> Node<'a, 't> {
    fn table(&self) -> Option<&'a DeTable<'t>> {
        match self {
            Node::Table(table) => Some(table),
            Node::Value(value) => value.as_table(),
        }
    }

    fn down(&self, step: &Step) -> Option<(usize, Self)> {
        match step {
            Step::Key(key) => {
                let (key, value) = self.table()?.get_key_value(key.as_str())?;
                Some((key.span().start, Node::Value(value.get_ref())))
            }
            Step::Index(index) => {
                let Node::Value(DeValue::Array(array)) = self else { return None };
                let value = array.get(*index)?;
                Some((value.span().start, Node::Value(value.get_ref())))
            }
        }
    }

    fn id(&self) -> Option<&'a str> {
        self.table()?.get("id")?.get_ref().as_str().filter(|id| !id.is_empty() && id.len() <= 64)
    }
}

/// The path of the key or value with exactly this span. Keys come first: a table and its header's last
/// key can share one.
pub(super) fn path_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<KeyPath> {
    search(table, &KeyPath::default(), &|key, _| key == span)
        .or_else(|| search(table, &KeyPath::default(), &|_, value| value == span))
}

type Matches<'a> = &'a dyn Fn(&Range<usize>, &Range<usize>) -> bool;

fn search(table: &DeTable<'_>, at: &KeyPath, matches: Matches<'_>) -> Option<KeyPath> {
    table.iter().find_map(|(key, value)| {
        let path = at.key(key.get_ref());
        let own = matches(&key.span(), &value.span()).then(|| path.clone());
        search_value(value.get_ref(), &path, matches).or(own)
    })
}

fn search_value(value: &DeValue<'_>, at: &KeyPath, matches: Matches<'_>) -> Option<KeyPath> {
    match value {
        DeValue::Table(table) => search(table, at, matches),
        DeValue::Array(array) => array.iter().enumerate().find_map(|(index, value)| {
            let path = at.index(index);
            let own = matches(&(0..0), &value.span()).then(|| path.clone());
            search_value(value.get_ref(), &path, matches).or(own)
        }),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            None
        }
    }
}

/// Takes the key at `path` out of the tree; false if it is not there.
pub(super) fn remove(table: &mut DeTable<'_>, path: &KeyPath) -> bool {
    let Some((first, rest)) = path.0.split_first() else { return false };
    let Step::Key(key) = first else { return false };
    if rest.is_empty() {
        return table.remove(key.as_str()).is_some();
    }
    table.get_mut(key.as_str()).is_some_and(|value| remove_below(value.get_mut(), rest))
}

fn remove_below(value: &mut DeValue<'_>, steps: &[Step]) -> bool {
    match (value, steps.first()) {
        (DeValue::Table(table), Some(Step::Key(_))) => remove(table, &KeyPath(steps.to_vec())),
        (DeValue::Array(array), Some(Step::Index(index))) => {
            array.get_mut(*index).is_some_and(|value| remove_below(value.get_mut(), &steps[1..]))
        }
        _ => false,
    }
}
