//! Where everything stands: layers from top to bottom, parallel steps beside each other, long edges through gaps of their own.
//!
//! Sugiyama's scheme in its smallest form: layers by longest path, dummies where an edge passes a layer, a few sweeps that put
//! each under the middle of what it hangs on. Deterministic; good for the tens of steps that a saga has.

use super::{Edge, Graph, Undoing};
use crate::definition::StepIx;

pub(super) const BOX_WIDTH: i32 = 300;
pub(super) const BOX_HEIGHT: i32 = 66;
/// Between a step and what undoes it.
pub(super) const UNDO_GAP: i32 = 56;
const CELL_GAP: i32 = 48;
const LAYER_GAP: i32 = 54;
const DUMMY_WIDTH: i32 = 24;
const MARGIN: i32 = 24;
const SWEEPS: usize = 6;

/// A point; y grows downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i32,
    pub(super) y: i32,
}

pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// The upper left corner of each step's box.
    pub(super) steps: Vec<Point>,
    /// Each forward edge from box to box, through its dummies.
    pub(super) ways: Vec<Vec<Point>>,
}

/// What stands in a layer.
struct Item {
    step: Option<StepIx>,
    layer: usize,
    width: i32,
    above: Vec<usize>,
    below: Vec<usize>,
    left: i32,
}

/// Lays a graph out below `top`.
pub(super) fn layout(graph: &Graph, top: i32, least_width: i32) -> Layout {
    let layers = layers(graph);
    let undo_width =
        if graph.nodes.iter().any(|node| matches!(node.undo, Undoing::By(_))) { UNDO_GAP + BOX_WIDTH } else { 0 };
    let mut items: Vec<Item> =
        layers.iter().enumerate().map(|(ix, layer)| item(Some(ix), *layer, BOX_WIDTH + undo_width)).collect();
    let chains: Vec<Vec<usize>> = graph.forward.iter().map(|edge| chain(&mut items, *edge)).collect();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); layers.iter().max().map_or(0, |last| last + 1)];
    for (ix, item) in items.iter().enumerate() {
        rows[item.layer].push(ix);
    }
    order(&mut rows, &items);
    let row_width = |row: &[usize]| {
        row.iter().map(|ix| items[*ix].width).sum::<i32>()
            + CELL_GAP * i32::try_from(row.len().saturating_sub(1)).unwrap_or(0)
    };
    let width = rows.iter().map(|row| row_width(row)).max().unwrap_or(0).max(least_width);
    let lefts: Vec<i32> = rows.iter().map(|row| MARGIN + (width - row_width(row)) / 2).collect();
    for (row, mut left) in rows.iter().zip(lefts) {
        for ix in row {
            items[*ix].left = left;
            left += items[*ix].width + CELL_GAP;
        }
    }
    let y = |layer: usize| top + i32::try_from(layer).unwrap_or(0) * (BOX_HEIGHT + LAYER_GAP);
    let middle = |item: &Item| item.left + if item.step.is_some() { BOX_WIDTH } else { DUMMY_WIDTH } / 2;
    let way = |chain: &Vec<usize>| {
        let mut way = Vec::new();
        for (nth, ix) in chain.iter().enumerate() {
            let item = &items[*ix];
            if nth > 0 {
                way.push(Point { x: middle(item), y: y(item.layer) });
            }
            if nth + 1 < chain.len() {
                way.push(Point { x: middle(item), y: y(item.layer) + BOX_HEIGHT });
            }
        }
        way
    };
    Layout {
        width: width + 2 * MARGIN,
        height: y(rows.len()) - LAYER_GAP + MARGIN,
        ways: chains.iter().map(way).collect(),
        steps: items[..graph.nodes.len()].iter().map(|item| Point { x: item.left, y: y(item.layer) }).collect(),
    }
}

fn item(step: Option<StepIx>, layer: usize, width: i32) -> Item {
    Item { step, layer, width, above: vec![], below: vec![], left: 0 }
}

/// The layer of each step: one below the lowest that it waits for.
fn layers(graph: &Graph) -> Vec<usize> {
    let mut layers = vec![0; graph.nodes.len()];
    // Edges are few and go forward; as many rounds as there are layers settle them.
    for _ in 0..graph.nodes.len() {
        let mut moved = false;
        for edge in &graph.forward {
            if layers[edge.to] <= layers[edge.from] {
                layers[edge.to] = layers[edge.from] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    layers
}

/// The items of an edge from its beginning to its end, with a dummy in each layer between.
fn chain(items: &mut Vec<Item>, edge: Edge) -> Vec<usize> {
    let mut chain = vec![edge.from];
    for layer in items[edge.from].layer + 1..items[edge.to].layer {
        items.push(item(None, layer, DUMMY_WIDTH));
        chain.push(items.len() - 1);
    }
    chain.push(edge.to);
    for pair in chain.windows(2) {
        items[pair[0]].below.push(pair[1]);
        items[pair[1]].above.push(pair[0]);
    }
    chain
}

/// Sorts each layer by where its neighbours stand, downwards and upwards in turn.
fn order(rows: &mut [Vec<usize>], items: &[Item]) {
    let mut place = vec![0_usize; items.len()];
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let layers: Vec<usize> = if down { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in layers {
            for row in rows.iter() {
                row.iter().enumerate().for_each(|(at, ix)| place[*ix] = at);
            }
            let weight = |ix: usize| {
                let near = if down { &items[ix].above } else { &items[ix].below };
                let sum: usize = near.iter().map(|near| place[*near]).sum();
                // In thousandths, so that a sort of whole numbers is stable and the same everywhere.
                if near.is_empty() { place[ix] * 1000 } else { sum * 1000 / near.len() }
            };
            rows[layer].sort_by_key(|ix| weight(*ix));
        }
    }
}
