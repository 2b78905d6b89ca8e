//! SVG: readable in light and dark, one file, no script. Texts are escaped for XML and stand in elements, never in attributes.

use std::fmt::Write as _;

use super::{
    Graph, Node, Undoing,
    label::{LINE_CHARS, TITLE_CHARS, line},
    layout::{BOX_HEIGHT, BOX_WIDTH, Layout, Point, UNDO_GAP, layout},
};
use crate::definition::Side;

/// Plain rules rather than variables, so that viewers that are no browser read it too.
const STYLE: &str = "\
.amends{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\
.amends text{fill:#1b2430}.amends .name{font-weight:700}.amends .dim{fill:#5b6675;font-size:11px}\
.amends .paper{fill:#ffffff}.amends .box{fill:#f4f6f8;stroke:#8593a3;stroke-width:1.5}\
.amends .pivot{stroke:#a15c00;stroke-width:4}.amends .mark{fill:#a15c00;font-size:11px;font-weight:700}\
.amends .child{stroke-dasharray:9 3}\
.amends .undo{fill:none;stroke:#b3261e;stroke-width:1.5;stroke-dasharray:5 4}\
.amends .way{fill:none;stroke:#8593a3;stroke-width:1.5}.amends .tip{fill:#8593a3}.amends .back{fill:#b3261e}\
@media(prefers-color-scheme:dark){\
.amends text{fill:#e7ecf2}.amends .dim{fill:#9aa7b5}.amends .paper{fill:#12171d}.amends .box{fill:#1c242d;stroke:#66758a}\
.amends .pivot{stroke:#f0b35a}.amends .mark{fill:#f0b35a}.amends .undo{stroke:#ff8a80}\
.amends .way{stroke:#66758a}.amends .tip{fill:#66758a}.amends .back{fill:#ff8a80}}";

/// Room for the title.
const TOP: i32 = 72;
/// Room for the locks below it.
const LOCKS: i32 = 20;
/// A letter of the title, about.
const TITLE_LETTER: usize = 7;
const PAD: i32 = 14;

pub(super) fn write(graph: &Graph) -> String {
    let about = line(graph.description.as_deref().unwrap_or_default(), TITLE_CHARS);
    let locked = graph.locked().map(|locked| line(&locked, TITLE_CHARS));
    let letters = about.chars().count().max(locked.as_ref().map_or(0, |locked| locked.chars().count()));
    let least = i32::try_from(letters * TITLE_LETTER).unwrap_or(0);
    let layout = layout(graph, if locked.is_some() { TOP + LOCKS } else { TOP }, least);
    let (width, height) = (layout.width, layout.height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"amends\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n"
    );
    put(&mut svg, format_args!("<title>{}</title>", escaped(&graph.name, LINE_CHARS)));
    put(&mut svg, format_args!("<style>{STYLE}</style>"));
    put(&mut svg, format_args!("<defs>{}{}</defs>", tip("amends-tip", "tip"), tip("amends-back", "back")));
    put(&mut svg, format_args!("<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>"));
    words(&mut svg, Point { x: 24, y: 32 }, "name", &graph.name, LINE_CHARS);
    words(&mut svg, Point { x: 24, y: 52 }, "dim", &about, TITLE_CHARS);
    if let Some(locked) = &locked {
        words(&mut svg, Point { x: 24, y: 52 + LOCKS }, "dim", locked, TITLE_CHARS);
    }
    for way in &layout.ways {
        put(&mut svg, format_args!("<path class=\"way\" marker-end=\"url(#amends-tip)\" d=\"{}\"/>", curve(way)));
    }
    for edge in &graph.back {
        let (from, to) = (undo_corner(layout.steps[edge.from]), undo_corner(layout.steps[edge.to]));
        let middle = BOX_WIDTH / 2;
        let way = [Point { x: from.x + middle, y: from.y }, Point { x: to.x + middle, y: to.y + BOX_HEIGHT }];
        put(&mut svg, format_args!("<path class=\"undo\" marker-end=\"url(#amends-back)\" d=\"{}\"/>", curve(&way)));
    }
    for (ix, node) in graph.nodes.iter().enumerate() {
        step(&mut svg, node, &layout, ix);
    }
    svg.push_str("</svg>\n");
    svg
}

fn step(svg: &mut String, node: &Node, layout: &Layout, ix: usize) {
    let at = layout.steps[ix];
    let pivot = node.side == Side::Pivot;
    let class = match (pivot, node.child) {
        (true, true) => "box pivot child",
        (true, false) => "box pivot",
        (false, true) => "box child",
        (false, false) => "box",
    };
    rect(svg, at, class);
    words(svg, Point { x: at.x + PAD, y: at.y + 23 }, "name", &node.step, LINE_CHARS);
    words(svg, Point { x: at.x + PAD, y: at.y + 41 }, "dim", &node.does, LINE_CHARS);
    let last = Point { x: at.x + PAD, y: at.y + 57 };
    match &node.undo {
        _ if pivot => words(svg, last, "mark", "◆ the pivot: no way back", LINE_CHARS),
        Undoing::By(undo) => {
            let corner = undo_corner(at);
            rect(svg, corner, "undo");
            words(svg, Point { x: corner.x + PAD, y: corner.y + 23 }, "dim", "undone by", LINE_CHARS);
            words(svg, Point { x: corner.x + PAD, y: corner.y + 41 }, "dim", undo, LINE_CHARS);
            let (y, from, to) = (at.y + BOX_HEIGHT / 2, at.x + BOX_WIDTH, corner.x);
            put(
                svg,
                format_args!("<path class=\"undo\" marker-end=\"url(#amends-back)\" d=\"M{from} {y}L{to} {y}\"/>"),
            );
        }
        Undoing::Nothing(reason) => words(svg, last, "dim", &format!("nothing to undo: {reason}"), LINE_CHARS),
        Undoing::Never => {}
    }
}

/// What undoes a step stands to its right.
fn undo_corner(step: Point) -> Point {
    Point { x: step.x + BOX_WIDTH + UNDO_GAP, y: step.y }
}

fn rect(svg: &mut String, at: Point, class: &str) {
    put(
        svg,
        format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"8\"/>",
            at.x, at.y
        ),
    );
}

fn words(svg: &mut String, at: Point, class: &str, text: &str, longest: usize) {
    put(svg, format_args!("<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>", at.x, at.y, escaped(text, longest)));
}

/// Through all points, leaving and reaching each of them upright.
fn curve(points: &[Point]) -> String {
    let Some((first, rest)) = points.split_first() else { return String::new() };
    let mut path = format!("M{} {}", first.x, first.y);
    let mut from = *first;
    for to in rest {
        let bend = i32::midpoint(from.y, to.y);
        let _ = write!(path, "C{} {bend} {} {bend} {} {}", from.x, to.x, to.x, to.y);
        from = *to;
    }
    path
}

fn tip(id: &str, class: &str) -> String {
    format!(
        "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" \
         orient=\"auto\"><path class=\"{class}\" d=\"M0 0L8 4L0 8z\"/></marker>"
    )
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "  {element}").expect("invariant: writing to a text cannot fail");
}

fn escaped(text: &str, longest: usize) -> String {
    let text = line(text, longest).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}
