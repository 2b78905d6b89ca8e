//! A definition as a picture: what is drawn, and that no text in it can be anything but text.

use amends_core::{
    definition::Definition,
    graph::{Format, Graph, Undoing, draw, of},
};
use proptest::prelude::*;

fn read(yaml: &str) -> Definition {
    Definition::parse(yaml, None).unwrap_or_else(|found| panic!("{found:?}\n{yaml}"))
}

fn sample(name: &str) -> Definition {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas").join(name);
    read(&std::fs::read_to_string(path).expect("a sample"))
}

/// The pairs of an edge list by name.
fn named(graph: &Graph, edges: &[amends_core::graph::Edge]) -> Vec<(String, String)> {
    edges.iter().map(|edge| (graph.nodes[edge.from].step.clone(), graph.nodes[edge.to].step.clone())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

#[test]
fn steps_go_forward_and_compensations_back() {
    let graph = of(&sample("place-order.yaml"));
    let forward = [("open", "reserve"), ("reserve", "charge"), ("charge", "ship"), ("ship", "confirm")];
    assert_eq!(named(&graph, &graph.forward), pairs(&forward));
    assert_eq!(named(&graph, &graph.back), pairs(&[("reserve", "open"), ("charge", "reserve")]));
    assert_eq!(graph.nodes[4].does, "orders POST /orders/{saga.id}/confirm");
    assert_eq!(graph.nodes[4].undo, Undoing::Never);
    assert_eq!(graph.nodes[0].undo, Undoing::By("orders POST /orders/{saga.id}/reject".to_owned()));
}

#[test]
fn what_follows_from_other_edges_is_not_drawn_and_a_step_with_nothing_to_undo_is_seen_through() {
    let undo = "compensate: { call: x POST /u }";
    let graph = of(&read(&format!(
        "saga: s\nsteps:\n  a: {{ needs: [], call: x POST /a, {undo} }}\n  b: {{ needs: [a], call: x GET /b, compensate: none, reason: reads }}\n  c: {{ needs: [a, b], call: x POST /c, {undo} }}\n  d: {{ needs: [a], call: x POST /d, {undo} }}\n"
    )));
    assert_eq!(named(&graph, &graph.forward), pairs(&[("a", "b"), ("b", "c"), ("a", "d")]));
    assert_eq!(named(&graph, &graph.back), pairs(&[("c", "a"), ("d", "a")]));
    assert_eq!(graph.nodes[1].undo, Undoing::Nothing("reads".to_owned()));
}

#[test]
fn waits_items_and_conditions_are_named() {
    let undo = "compensate: { call: x POST /u }";
    let graph = of(&read(&format!(
        "saga: s\ninput: {{ type: object, properties: {{ b: {{ type: boolean }} }} }}\nsteps:\n  a: {{ sleep: 90m }}\n  b: {{ until: '2026-12-24T18:00:00Z' }}\n  c: {{ await: go, timeout: 1d }}\n  d: {{ for_each: [1, 2], concurrency: 2, call: x POST /d, {undo} }}\n  l: {{ async: true, timeout: 2d, call: x POST /l, {undo} }}\n  e: {{ if: '${{{{ input.b | default(false) }}}}', for_each: [1], call: x POST /e, {undo} }}\n"
    )));
    let does: Vec<&str> = graph.nodes.iter().map(|node| &*node.does).collect();
    assert_eq!(does[0], "sleep 1h30m");
    assert_eq!(does[1], "wait until the time that it says");
    assert_eq!(does[2], "await go, at most 1d");
    assert_eq!(does[3], "for each item, 2 at once: x POST /d");
    assert_eq!(does[4], "x POST /l, verdict within 2d");
    assert_eq!(does[5], "if its condition holds: for each item: x POST /e");
    assert!(graph.nodes[..3].iter().all(|node| node.undo == Undoing::Never));
    assert_eq!(named(&graph, &graph.back), pairs(&[("l", "d"), ("e", "l")]));
}

#[test]
fn what_a_saga_has_for_itself_stands_below_its_name_in_every_format() {
    let transfer = sample("transfer-money.yaml");
    assert_eq!(of(&transfer).locks, ["account:{input.from}", "account:{input.to}"]);
    for format in Format::ALL {
        let drawn = draw(&transfer, format);
        assert!(drawn.contains("has for itself"), "{format:?}: {drawn}");
        assert!(drawn.contains("input.from") && drawn.contains("input.to"), "{format:?}: {drawn}");
        assert!(!draw(&sample("place-order.yaml"), format).contains("has for itself"), "{format:?}");
    }
    let plain = "saga: s\nlocks: [all, '${{ saga.name }}']\nsteps: { a: { pivot: true, call: x POST /a } }\n";
    assert_eq!(of(&read(plain)).locks, ["all", "{saga.name}"]);
}

#[test]
fn every_format_shows_every_step_the_pivot_and_what_is_undone() {
    let definition = sample("transfer-money.yaml");
    for format in Format::ALL {
        let text = draw(&definition, format);
        for word in ["transfer", "payee", "withdraw", "deposit", "the pivot", "nothing to undo"] {
            assert!(text.contains(word), "{format:?} lacks {word}\n{text}");
        }
        assert_eq!(text, draw(&definition, format), "the same every time");
        assert_eq!(Format::parse(format.as_str()), Some(format));
    }
    let svg = draw(&definition, Format::Svg);
    assert!(svg.contains("prefers-color-scheme:dark") && svg.contains(".undo{fill:none"));
    assert_eq!(
        svg.matches("stroke-dasharray").count(),
        2,
        "in the styles of children and of undoing, and nowhere else"
    );
    assert_eq!(svg.matches("<rect").count(), 1 + 3 + 1, "paper, three steps, one compensation");
    let mermaid = draw(&definition, Format::Mermaid);
    assert!(mermaid.starts_with("flowchart TD\n") && mermaid.contains("s0 --> s2") && mermaid.contains(":::pivot"));
    let dot = draw(&definition, Format::Dot);
    assert!(dot.contains("s1 -> s2") && dot.contains("style=\"rounded,dashed\"") && dot.contains("penwidth=4"));
}

#[test]
fn parallel_steps_stand_beside_each_other_and_nothing_overlaps() {
    let undo = "compensate: { call: x POST /u }";
    let mut yaml = "saga: s\nsteps:\n".to_owned();
    for (name, needs) in [("a", ""), ("b", ""), ("c", ""), ("d", "a"), ("e", "d, c"), ("f", "a, b, e"), ("g", "b")] {
        yaml.push_str(&format!("  {name}: {{ needs: [{needs}], call: x POST /{name}, {undo} }}\n"));
    }
    let svg = draw(&read(&yaml), Format::Svg);
    let number = |rect: &str, key: &str| -> i64 {
        let value = rect.split_once(&format!(" {key}=\"")).expect("an attribute").1.split('"').next();
        value.expect("a value").parse().expect("a number")
    };
    let boxes: Vec<[i64; 4]> = svg
        .lines()
        .filter(|line| line.contains("<rect") && line.contains("rx="))
        .map(|rect| ["x", "y", "width", "height"].map(|key| number(rect, key)))
        .collect();
    assert_eq!(boxes.len(), 14);
    let (width, height) = (number(&svg, "width"), number(&svg, "height"));
    for (nth, [x, y, w, h]) in boxes.iter().enumerate() {
        assert!(*x >= 0 && *y >= 0 && x + w <= width && y + h <= height, "box {nth} is outside");
        for (other, [ox, oy, ow, oh]) in boxes.iter().enumerate().skip(nth + 1) {
            assert!(x + w <= *ox || ox + ow <= *x || y + h <= *oy || oy + oh <= *y, "boxes {nth} and {other} overlap");
        }
    }
    let row = |nth: usize| boxes[nth][1];
    assert!(row(0) == row(2) && row(2) == row(4), "a, b and c start together");
    assert!(row(6) > row(0) && row(8) > row(6) && row(10) > row(8), "d, e, f one below the other");
}

#[test]
fn a_large_saga_is_drawn_at_once() {
    let mut yaml = "saga: s\nsteps:\n".to_owned();
    for n in 0..200 {
        let needs = if n < 20 { String::new() } else { format!("s{}, s{}", n - 20, n - 1 - n % 7) };
        yaml.push_str(&format!("  s{n}: {{ needs: [{needs}], call: x POST /a, compensate: none, reason: reads }}\n"));
    }
    let definition = read(&yaml);
    let before = std::time::Instant::now();
    for format in Format::ALL {
        assert!(draw(&definition, format).len() > 10_000);
    }
    assert!(before.elapsed().as_secs() < 5, "{:?}", before.elapsed());
}

// ---- texts

/// A saga with one text wherever a writer has a free hand.
fn with_text(text: &str) -> Option<Definition> {
    // Every character that is not plain stands as its number, so that YAML takes it.
    let yaml = |text: &str| -> String {
        let letter = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            ' '..='~' => c.to_string(),
            c => format!("\\U{:08x}", u32::from(c)),
        };
        format!("\"{}\"", text.chars().map(letter).collect::<String>())
    };
    let quoted = text.replace(['\'', '\\'], "");
    let path = yaml(&format!("x GET /a/${{{{ '{quoted}' }}}}"));
    let source = format!(
        "saga: s\ndescription: {}\nsteps:\n  a: {{ call: {path}, compensate: none, reason: {} }}\n  b: {{ call: x POST /b, compensate: {{ call: {} }} }}\n",
        yaml(text),
        yaml(&format!("r {text}")),
        yaml(&format!("x POST /u/${{{{ '{quoted}' }}}}"))
    );
    Definition::parse(&source, None).ok()
}

/// What is left when every text is taken out; `None`: a text does not end where it should.
fn skeleton(drawn: &str, format: Format) -> Option<String> {
    let mut left = String::new();
    let mut chars = drawn.chars();
    while let Some(c) = chars.next() {
        left.push(c);
        match (format, c) {
            (Format::Mermaid, '"') => loop {
                match chars.next()? {
                    '"' => break,
                    // Tags that a label may have are ours; everything else is a letter or a number of one.
                    '<' => left.push('<'),
                    '\n' => return None,
                    _ => {}
                }
            },
            (Format::Dot, '"') => loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => match chars.next()? {
                        'n' => left.push('n'),
                        '\\' | '"' => {}
                        _ => return None,
                    },
                    '\n' => return None,
                    _ => {}
                }
            },
            (Format::Svg, '>') => {
                let rest = chars.as_str();
                let text = &rest[..rest.find('<').unwrap_or(rest.len())];
                let entities = text.split('&').skip(1);
                let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
                if entities.into_iter().any(|entity| !known.iter().any(|known| entity.starts_with(known))) {
                    return None;
                }
                // The style is ours and the same every time.
                if !left.ends_with("<style>") {
                    chars = rest[text.len()..].chars();
                }
            }
            _ => {}
        }
    }
    Some(left)
}

fn numbers_left_out(skeleton: &str) -> String {
    skeleton.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn stays_text(text: &str) {
    let (Some(hostile), Some(benign)) = (with_text(text), with_text("word")) else { return };
    for format in Format::ALL {
        let expected = skeleton(&draw(&benign, format), format).expect("a harmless one");
        let drawn = draw(&hostile, format);
        let found = skeleton(&drawn, format);
        // A long description makes the picture wider, and nothing else.
        let found = found.as_deref().map(numbers_left_out);
        assert_eq!(found, Some(numbers_left_out(&expected)), "{format:?} of {text:?}\n{drawn}");
        assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{format:?} of {text:?}");
    }
}

#[test]
fn a_hostile_text_stays_a_text_in_every_format() {
    for text in [
        "\"]; click s0 \"javascript:alert(1)\"",
        "\"]\n  evil --> s0",
        "<script>alert(1)</script>",
        "</text></svg><script>",
        "]]>",
        "<!--",
        "&lt;b&gt; &#x3c; &",
        "\\\" ]; evil [label=\"",
        "\\",
        "a\\",
        "\\N \\G \\l",
        "#quot; #34;",
        "`markdown` **bold** $$tex$$",
        "%% comment %%{init: {}}%%",
        "end",
        "subgraph x",
        ":::pivot",
        "\u{202e}olleh\u{0}\u{1b}[2J\u{7f}",
        "\u{ffff}\u{fffe}\u{feff}",
        "--> -.- ==> ~~~ @{ shape: x }",
        "${{ saga.id }}",
        "{{ }} {% %}",
    ] {
        assert!(with_text(text).is_some() || text.contains("${{"), "{text:?} reaches no picture");
        stays_text(text);
    }
}

#[test]
fn a_text_that_breaks_out_would_be_noticed() {
    let (good, bad) = ("s0[\"a\"]\n", "s0[\"a\"] --> evil[\"b\"]\n");
    assert_ne!(skeleton(good, Format::Mermaid), skeleton(bad, Format::Mermaid));
    assert_ne!(skeleton("x [label=\"a\"]", Format::Dot), skeleton("x [label=\"a\"; evil]", Format::Dot));
    assert_eq!(skeleton("x [label=\"a\\\"]", Format::Dot), None);
    assert_ne!(skeleton("<text>a</text>", Format::Svg), skeleton("<text>a<b/></text>", Format::Svg));
    assert_eq!(skeleton("<text>a & b</text>", Format::Svg), None);
}

proptest! {
    #[test]
    fn any_text_stays_a_text(text in "[\\PC\\n\\t\"<>&#;\\\\\\[\\](){}`-]{0,60}") {
        stays_text(&text);
    }
}

#[test]
fn a_child_is_drawn_with_a_line_more_and_undoes_itself() {
    let definition = sample("settle-claim.yaml");
    let graph = of(&definition);
    assert_eq!(graph.nodes[1].does, "saga pay-claim, as a child");
    assert_eq!(graph.nodes[1].undo, Undoing::By("the child undoes itself".to_owned()));
    assert_eq!(graph.nodes[2].undo, Undoing::Never, "it is the pivot");
    assert_eq!(graph.nodes.iter().map(|node| node.child).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!(draw(&definition, Format::Mermaid).matches("[[\"").count(), 2);
    assert_eq!(draw(&definition, Format::Dot).matches("peripheries=2").count(), 2);
    let svg = draw(&definition, Format::Svg);
    assert!(svg.contains("class=\"box child\"") && svg.contains("class=\"box pivot child\""));
}
