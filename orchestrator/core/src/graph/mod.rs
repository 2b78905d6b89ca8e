//! A definition as a picture: its steps with their services, what undoes what, and the pivot.
//!
//! Why here: command line, API and dashboard draw the same graph. [`of`] says what there is to draw, each format how. Texts of a
//! definition are somebody's input: each format writes them so that they cannot be anything but text.
//! **It must never know** a run of it; anything outside its formats, such as fonts or a browser.

mod dot;
mod label;
mod layout;
mod mermaid;
mod model;
mod svg;

pub use model::{Edge, Graph, Node, Undoing, of};

use crate::definition::Definition;

/// How a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For Markdown that renders it.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// For every browser: drawn here, light and dark, without a script.
    Svg,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Mermaid, Self::Dot, Self::Svg];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
            Self::Svg => "svg",
        }
    }

    /// The word read back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Its media type; Mermaid's as its own documents recommend it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mermaid => "text/vnd.mermaid; charset=utf-8",
            Self::Dot => "text/vnd.graphviz; charset=utf-8",
            Self::Svg => "image/svg+xml",
        }
    }
}

/// The graph of a definition.
pub fn draw(definition: &Definition, format: Format) -> String {
    let graph = of(definition);
    match format {
        Format::Mermaid => mermaid::write(&graph),
        Format::Dot => dot::write(&graph),
        Format::Svg => svg::write(&graph),
    }
}
