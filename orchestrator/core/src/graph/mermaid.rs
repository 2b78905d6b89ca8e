//! Mermaid. Texts stand in quotes, and every character that means anything there stands as its number.

use std::fmt::Write as _;

use super::{
    Graph, Node, Undoing,
    label::{LINE_CHARS, TITLE_CHARS, line},
};
use crate::definition::Side;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = String::from("flowchart TD\n");
    let title =
        graph.description.as_ref().map_or(String::new(), |about| format!("<br/>{}", escaped(about, TITLE_CHARS)));
    let locked =
        graph.locked().map_or(String::new(), |locked| format!("<br/><i>{}</i>", escaped(&locked, TITLE_CHARS)));
    put(&mut text, format_args!("title[\"<b>{}</b>{title}{locked}\"]:::title", escaped(&graph.name, LINE_CHARS)));
    for (ix, node) in graph.nodes.iter().enumerate() {
        let (open, close) = if node.child { ("[[", "]]") } else { ("[", "]") };
        put(&mut text, format_args!("s{ix}{open}\"{}\"{close}:::{}", label(node), class(node.side)));
        if let Undoing::By(undo) = &node.undo {
            put(&mut text, format_args!("u{ix}([\"{}\"]):::undo", escaped(undo, LINE_CHARS)));
            put(&mut text, format_args!("s{ix} -. undo .-> u{ix}"));
        }
    }
    for edge in &graph.forward {
        put(&mut text, format_args!("s{} --> s{}", edge.from, edge.to));
    }
    for edge in &graph.back {
        put(&mut text, format_args!("u{} -.-> u{}", edge.from, edge.to));
    }
    put(&mut text, format_args!("classDef title fill:none,stroke:none"));
    put(&mut text, format_args!("classDef pivot stroke-width:4px"));
    put(&mut text, format_args!("classDef undo stroke-dasharray:4 3"));
    text
}

fn label(node: &Node) -> String {
    let mut label = format!("<b>{}</b><br/>{}", escaped(&node.step, LINE_CHARS), escaped(&node.does, LINE_CHARS));
    if node.side == Side::Pivot {
        label.push_str("<br/><i>the pivot: no way back</i>");
    }
    if let Undoing::Nothing(reason) = &node.undo {
        let _ = write!(label, "<br/><i>nothing to undo: {}</i>", escaped(reason, LINE_CHARS));
    }
    label
}

fn class(side: Side) -> &'static str {
    match side {
        Side::Before => "before",
        Side::Pivot => "pivot",
        Side::After => "after",
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "  {line}").expect("invariant: writing to a text cannot fail");
}

fn escaped(text: &str, longest: usize) -> String {
    let mut escaped = String::new();
    for c in line(text, longest).chars() {
        if c.is_alphanumeric() || " /-_.,…".contains(c) {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}
