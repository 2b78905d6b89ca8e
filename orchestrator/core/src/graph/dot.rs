//! Graphviz. Texts stand in quotes; `\` and `"` would end or change them, `&` would begin an entity.

use std::fmt::Write as _;

use super::{
    Graph, Node, Undoing,
    label::{LINE_CHARS, TITLE_CHARS, line},
};
use crate::definition::Side;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = format!("digraph \"{}\" {{\n", escaped(&graph.name, LINE_CHARS));
    let about = graph.description.as_ref().map_or(String::new(), |about| format!("\\n{}", escaped(about, TITLE_CHARS)));
    let locked = graph.locked().map_or(String::new(), |locked| format!("\\n{}", escaped(&locked, TITLE_CHARS)));
    put(
        &mut text,
        format_args!(
            "graph [label=\"{}{about}{locked}\", labelloc=t, fontname=\"sans-serif\"]",
            escaped(&graph.name, LINE_CHARS)
        ),
    );
    put(&mut text, format_args!("node [shape=box, style=rounded, fontname=\"sans-serif\"]"));
    for (ix, node) in graph.nodes.iter().enumerate() {
        let pivot = if node.side == Side::Pivot { ", penwidth=4" } else { "" };
        let child = if node.child { ", peripheries=2" } else { "" };
        put(&mut text, format_args!("s{ix} [label=\"{}\"{pivot}{child}]", label(node)));
        if let Undoing::By(undo) = &node.undo {
            put(&mut text, format_args!("u{ix} [label=\"{}\", style=\"rounded,dashed\"]", escaped(undo, LINE_CHARS)));
            put(&mut text, format_args!("{{ rank=same; s{ix}; u{ix} }}"));
            put(&mut text, format_args!("s{ix} -> u{ix} [style=dashed, label=\"undo\", constraint=false]"));
        }
    }
    for edge in &graph.forward {
        put(&mut text, format_args!("s{} -> s{}", edge.from, edge.to));
    }
    for edge in &graph.back {
        put(&mut text, format_args!("u{} -> u{} [style=dashed, constraint=false]", edge.from, edge.to));
    }
    text.push_str("}\n");
    text
}

fn label(node: &Node) -> String {
    let mut label = format!("{}\\n{}", escaped(&node.step, LINE_CHARS), escaped(&node.does, LINE_CHARS));
    if node.side == Side::Pivot {
        label.push_str("\\nthe pivot: no way back");
    }
    if let Undoing::Nothing(reason) = &node.undo {
        let _ = write!(label, "\\nnothing to undo: {}", escaped(reason, LINE_CHARS));
    }
    label
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "  {line}").expect("invariant: writing to a text cannot fail");
}

fn escaped(text: &str, longest: usize) -> String {
    line(text, longest).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}
