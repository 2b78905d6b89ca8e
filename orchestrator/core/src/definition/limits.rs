//! Every limit a definition meets, when it is read and when it runs, in one place, with its reason.

use std::time::Duration;

/// A definition is read whole and kept for ever; a quarter of a megabyte is more than anybody writes by hand.
pub const SOURCE_BYTES: usize = 256 * 1024;
/// Nesting of maps and lists; the readers recurse.
pub const DEPTH: usize = 32;
/// Keys, values and items together.
pub const NODES: usize = 20_000;
/// Steps of one saga: each event and each decision looks at all of them.
pub const STEPS: usize = 200;
/// Length of a saga's, step's or service's name: it stands in headers, keys and indexes.
pub const NAME_BYTES: usize = 64;
/// Text of one expression.
pub const EXPRESSION_BYTES: usize = 4 * 1024;
/// Parentheses and brackets open at once in one expression; its parser recurses.
pub const EXPRESSION_DEPTH: usize = 20;
/// Fuel of one evaluation: an instruction costs about 1, allocated memory is charged too.
pub const EXPRESSION_FUEL: u64 = 50_000;
/// Labels of one saga: they are for finding it, not for carrying data.
pub const LABELS: usize = 16;
/// A label with its name.
pub const LABEL_BYTES: usize = 256;
/// Locks of one saga: each is a queue to go through, and holds up everybody else.
pub const LOCKS: usize = 16;
/// The rendered name of a lock: it stands in keys.
pub const LOCK_BYTES: usize = 256;
/// Attempts that count: beyond this say `unlimited`.
pub const ATTEMPTS: u32 = 10_000;
/// One attempt of a call: a connection that is held longer is an async step in disguise.
pub const TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Between two attempts.
pub const BACKOFF: Duration = Duration::from_secs(24 * 3600);
/// The forward path of a saga.
pub const DEADLINE: Duration = Duration::from_secs(366 * 24 * 3600);
/// Items of one step: each is a call with attempts of its own, in one journal and one memory.
pub const ITEMS: usize = 1_000;
/// Items called at once. What is more is a load that belongs into the service's own bulkhead.
pub const CONCURRENCY: u32 = 100;
/// The outputs of all items of a step together; each has an equal share.
pub const ITEMS_OUTPUT_BYTES: usize = 1024 * 1024;
/// A sleep, or the wait for a signal: as long as a saga may take. Whoever waits longer is better started later.
pub const WAIT: Duration = DEADLINE;
/// The payload of a signal: it lives in journal and memory until it is taken. Data belongs to the services. How many are kept is
/// bounded by how many steps may still take one.
pub const SIGNAL_BYTES: usize = 64 * 1024;
/// The body of a callback: what it may bring is an output, and it waits in a note until its saga's owner reads it.
pub const CALLBACK_BYTES: usize = OUTPUT_BYTES;
/// Growth of the backoff from attempt to attempt.
pub const FACTOR: f64 = 100.0;
/// A rendered body.
pub const BODY_BYTES: usize = 1024 * 1024;
/// All that a template makes on the way to a body or an output; what is above their own limits is refused by these.
pub const RENDERED_BYTES: usize = 4 * 1024 * 1024;
/// All that the expressions of one request, output or list read. Whoever needs more of a large input takes it once and whole.
pub const READ_BYTES: usize = 8 * 1024 * 1024;
/// Patterns of one input schema: each is compiled.
pub const PATTERNS: usize = 64;
/// A compiled pattern; what is larger takes long to compile and long to run.
pub const PATTERN_BYTES: usize = 4 * 1024 * 1024;
/// Findings for one input; the first ones tell the story.
pub const INPUT_ERRORS: usize = 32;
/// Places that one input schema has when every `$ref` is written out.
pub const SCHEMA_PLACES: usize = 20_000;
/// An answer of a service, read whole before it is understood; a longer one says nothing, and counts as unknown.
pub const ANSWER_BYTES: usize = 1024 * 1024;
/// Places of an input schema times values of an input, a long text counting for several and a pattern for many places: alternatives
/// for each item of a list multiply. What is more is not looked at, and starts nothing.
pub const INPUT_WORK: usize = 20_000_000;
/// Places of patterns whose automata are too large to be kept, times bytes of an input's texts: some 14 ns each.
pub const PATTERN_WORK: usize = 8_000_000;
/// A rendered path with its query.
pub const PATH_BYTES: usize = 8 * 1024;
/// Headers of one call, and the bytes of each value.
pub const HEADERS: usize = 32;
pub const HEADER_BYTES: usize = 4 * 1024;
/// A family from its root down to its youngest.
pub const GENERATIONS: usize = 8;
/// An output of a step or a saga as JSON; it lives in memory and journal as long as the saga.
pub const OUTPUT_BYTES: usize = 256 * 1024;
/// A service's OpenAPI document: those of the largest public services have some six megabytes. It is read once, at the start, and kept.
pub const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;
/// Maps and lists inside each other in it.
pub const DOCUMENT_DEPTH: usize = 100;
/// Keys, values and items of it together, also those that YAML's aliases make.
pub const DOCUMENT_NODES: usize = 1_000_000;
/// Paths of it: a call is compared with each.
pub const DOCUMENT_PATHS: usize = 5_000;
/// Words of it that are compared with a mistyped one.
pub const DOCUMENT_WORDS: usize = 200;
/// Looks at schemas of documents in checking one definition. Beyond it nothing more is said of its calls; alternatives of
/// alternatives multiply, and nobody writes a definition that needs a tenth of it.
pub const SCHEMA_LOOKS: usize = 1_000_000;
