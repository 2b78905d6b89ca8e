//! Which path of the document a call's path is.

use std::{borrow::Cow, collections::BTreeSet};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Api, Operation};
use crate::expr::Piece;

/// A path of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) text: String,
    parts: Vec<Part>,
}

/// A segment of a path of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `{id}`, or a text around it.
    Parameter,
    /// `{path+}`, `{rest:path}`, as some write for any number of segments.
    Rest,
}

/// A segment of a call's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Literal(String),
    /// An expression is in it: any value, but one segment.
    Value,
}

/// What the document has for a call.
#[derive(Debug)]
pub(crate) enum Route<'a> {
    Found(Operation<'a>),
    /// The path, with other methods.
    NoMethod {
        path: &'a str,
        methods: Vec<String>,
    },
    /// Not this path. What comes near it: written like the call, and as in the document.
    NoPath {
        near: Vec<(String, &'a str)>,
    },
    /// It depends on what an expression gives, or on more than is understood here.
    Unclear,
}

/// So many paths of a document are compared with one that is not in it.
const COMPARED: usize = 500;
/// What stands for a value where paths are compared.
const VALUE: &str = "{}";

/// Cuts a call's path at its slashes. Its query is left out.
pub(crate) fn segments(path: &[Piece]) -> Vec<Segment> {
    let mut segments = vec![];
    let (mut literal, mut value) = (String::new(), false);
    'path: for piece in path {
        match piece {
            Piece::Value(_) => value = true,
            Piece::Literal(text) => {
                for c in text.chars() {
                    match c {
                        '?' | '#' => break 'path,
                        '/' => segments.push(segment(std::mem::take(&mut literal), std::mem::take(&mut value))),
                        c => literal.push(c),
                    }
                }
            }
        }
    }
    segments.push(segment(literal, value));
    // What stands before the first slash, and behind a last one: a slash at the end is taken either way.
    segments.remove(0);
    segments.pop_if(|last| *last == Segment::Literal(String::new()));
    segments
}

fn segment(literal: String, value: bool) -> Segment {
    if value { Segment::Value } else { Segment::Literal(literal) }
}

impl Template {
    pub(super) fn of(path: &str) -> Self {
        let parts = path.trim_start_matches('/').trim_end_matches('/').split('/').filter(|_| path != "/");
        let parts = parts.map(|part| match (part.find('{'), part.rfind('}')) {
            (Some(open), Some(close)) if open < close => {
                let name = &part[open + 1..close];
                if name.ends_with(['+', '*']) || name.contains(':') { Part::Rest } else { Part::Parameter }
            }
            _ => Part::Literal(part.to_owned()),
        });
        Self { text: path.to_owned(), parts: parts.collect() }
    }

    /// How well it fits. `None`: not at all.
    fn fit(&self, call: &[Segment]) -> Option<Fit> {
        if self.parts.len() != call.len() && !self.parts.contains(&Part::Rest) {
            return None;
        }
        let mut literals = Vec::with_capacity(call.len());
        let mut sure = true;
        for (ix, part) in self.parts.iter().enumerate() {
            if *part == Part::Rest {
                return Some(Fit { sure: false, literals });
            }
            match (part, call.get(ix)?) {
                (Part::Literal(part), Segment::Literal(given)) if same(part, given) => literals.push(true),
                (Part::Literal(_), Segment::Literal(_)) => return None,
                // The value may be this very word.
                (Part::Literal(_), Segment::Value) => {
                    sure = false;
                    literals.push(true);
                }
                (Part::Parameter | Part::Rest, _) => literals.push(false),
            }
        }
        (self.parts.len() == call.len()).then_some(Fit { sure, literals })
    }

    /// With every parameter written alike.
    fn comparable(&self) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Parameter | Part::Rest => VALUE.to_owned(),
        };
        self.parts.iter().map(part).fold(String::new(), |path, part| path + "/" + &part)
    }
}

/// Ordered so that the greatest is what OpenAPI prefers: literals before parameters, from left to right.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    sure: bool,
    literals: Vec<bool>,
}

fn same(one: &str, other: &str) -> bool {
    one == other || decoded(one) == decoded(other)
}

/// Without percent-encoding.
pub(crate) fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

impl Api {
    /// What there is for `method` (in lower case) at a path below `base`, the path of the service's address.
    pub(crate) fn route(&self, base: &str, call: &[Segment], method: &str) -> Route<'_> {
        let mut best: BTreeSet<usize> = BTreeSet::new();
        let mut unclear = false;
        for variant in self.variants(base, call) {
            let fits = self.paths.iter().enumerate().filter_map(|(ix, path)| Some((path.fit(&variant)?, ix)));
            // The first of equals: a document must not have two.
            match fits.max_by(|(left, a), (right, b)| left.cmp(right).then(b.cmp(a))) {
                Some((fit, ix)) if fit.sure => drop(best.insert(ix)),
                Some(_) => unclear = true,
                None => {}
            }
        }
        match best.into_iter().collect::<Vec<_>>()[..] {
            [] if unclear => Route::Unclear,
            [] => Route::NoPath { near: self.near(call) },
            [ix] => self.at(&self.paths[ix].text, method).unwrap_or(Route::Unclear),
            _ => Route::Unclear,
        }
    }

    /// Paths that the call may mean in the document: as it stands, with the service's own base in front, and each without the base of one of
    /// the document's servers. Where a gateway cuts something off is nowhere written down.
    fn variants(&self, base: &str, call: &[Segment]) -> BTreeSet<Vec<Segment>> {
        let base = base.split('/').filter(|part| !part.is_empty()).map(|part| Segment::Literal(part.to_owned()));
        let whole: Vec<Segment> = base.chain(call.iter().cloned()).collect();
        let mut variants: BTreeSet<Vec<Segment>> = [call.to_vec(), whole].into();
        let cut: Vec<Vec<Segment>> =
            variants.iter().flat_map(|given| self.bases.iter().filter_map(|base| without(given, base))).collect();
        variants.extend(cut);
        variants
    }

    fn at<'a>(&'a self, path: &'a str, method: &str) -> Option<Route<'a>> {
        let item = self.resolved(self.document.get("paths")?.get(path)?)?;
        if let Some(operation) = item.get(method) {
            return Some(Route::Found(Operation::new(self, item, operation)));
        }
        let known = ["get", "put", "post", "delete", "patch", "options", "head", "trace"];
        let methods =
            known.iter().filter(|method| item.get(**method).is_some()).map(|method| method.to_ascii_uppercase());
        Some(Route::NoMethod { path, methods: methods.collect() })
    }

    /// Paths of about as many segments.
    fn near(&self, call: &[Segment]) -> Vec<(String, &str)> {
        let near = self.paths.iter().filter(|path| path.parts.len().abs_diff(call.len()) <= 1);
        near.take(COMPARED).map(|path| (path.comparable(), path.text.as_str())).collect()
    }

    /// The first paths, for whoever asks what there is.
    pub(crate) fn some_paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(|path| path.text.as_str())
    }
}

/// A call's path as [`Route::NoPath`] writes those of the document.
pub(crate) fn comparable(call: &[Segment]) -> String {
    let segment = |segment: &Segment| match segment {
        Segment::Literal(text) => text.clone(),
        Segment::Value => VALUE.to_owned(),
    };
    call.iter().map(segment).fold(String::new(), |path, segment| path + "/" + &segment)
}

fn without(given: &[Segment], base: &[String]) -> Option<Vec<Segment>> {
    let rest = given.get(base.len()..)?;
    let begins =
        base.iter().zip(given).all(|(base, given)| matches!(given, Segment::Literal(text) if same(text, base)));
    begins.then(|| rest.to_vec())
}

/// The paths of all servers, wherever in the document they are named.
pub(super) fn bases(document: &Value) -> Vec<Vec<String>> {
    let items = || document.get("paths").and_then(Value::as_object).into_iter().flat_map(|paths| paths.values());
    let operations = items().filter_map(Value::as_object).flat_map(|item| item.values());
    let everywhere = std::iter::once(document).chain(items()).chain(operations);
    let servers = everywhere.filter_map(|place| place.get("servers")?.as_array()).flatten();
    let bases: BTreeSet<Vec<String>> = servers.filter_map(base).filter(|base| !base.is_empty()).take(BASES).collect();
    bases.into_iter().collect()
}

/// More servers, or variables of one, than that are not those of one service.
const BASES: usize = 8;
/// An address that is longer is none. Variables multiply.
const URL_BYTES: usize = 2 * 1024;

fn base(server: &Value) -> Option<Vec<String>> {
    let mut url = server.get("url")?.as_str()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten().take(BASES) {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        if url.len() > URL_BYTES || default.len() > URL_BYTES {
            return None;
        }
        url = url.replace(&format!("{{{name}}}"), default);
    }
    if url.len() > URL_BYTES {
        return None;
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => &url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect())
}
