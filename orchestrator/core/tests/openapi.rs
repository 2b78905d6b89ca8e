//! Calls held against the OpenAPI documents of their services: what is said, and where; and what is not said, because it is not certain.

use std::{fs, path::Path, sync::Arc, time::Duration};

use amends_core::{
    definition::{Diagnostic, Services, limits, parse},
    openapi::{Api, Unreadable},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A document in two versions of the specification. `nullable` and the like are written in the way of each.
const DOCUMENT: &str = r##"
openapi: VERSION
info: { title: shop, version: "1" }
servers: [{ url: "https://shop.example/api/v1" }]
paths:
  /orders:
    parameters:
      - { name: X-Tenant, in: header, required: true, schema: { type: string } }
      - { name: saga-id, in: header, required: true, schema: { type: string } }
    post:
      parameters: [{ $ref: "#/components/parameters/Tenant" }]
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: "#/components/schemas/NewOrder" } } }
      responses:
        201: { $ref: "#/components/responses/Order" }
        "409": { description: there is one }
  /orders/{id}:
    get:
      parameters: [{ name: since, in: query, required: true, schema: { type: string } }]
      responses: { default: { description: perhaps } }
    delete: { responses: { "204": { description: gone } } }
  /orders/mine: { post: { responses: { "200": { description: fine } } } }
  /orders/{id}/confirm:
    post:
      requestBody: { content: { application/json: { schema: { $ref: "#/components/schemas/Tree" } } } }
      responses:
        "200": { description: a, content: { application/json: { schema: { type: object, properties: { a: { type: integer } } } } } }
        "202": { description: b, content: { application/json: { schema: { type: object, properties: { b: { type: integer } } } } } }
  /text: { post: { requestBody: { content: { text/plain: {} } }, responses: { "200": { description: t, content: { text/plain: {} } } } } }
  /any: { post: { requestBody: { content: { "*/*": { schema: {} } } }, responses: { "200": { description: t, content: { application/json: { schema: {} } } } } } }
components:
  parameters:
    Tenant: { name: X-Tenant, in: header, schema: { type: string } }
  responses:
    Order: { description: made, content: { application/json; charset=utf-8: { schema: { $ref: "#/components/schemas/Order" } } } }
  schemas:
    NewOrder:
      type: object
      required: [customer, lines, id]
      additionalProperties: false
      properties:
        id: { type: string, readOnly: true }
        customer: { type: string, minLength: 2, maxLength: 5 }
        kind: { type: string, enum: [plain, express] }
        note: NULLABLE
        amount: { type: integer, minimum: 1, maximum: 100 }
        rate: { type: number }
        lines: { type: array, maxItems: 2, items: { $ref: "#/components/schemas/Line" } }
        pay: { oneOf: [{ $ref: "#/components/schemas/Card" }, { type: string, enum: [cash] }] }
        both: { allOf: [{ $ref: "#/components/schemas/Line" }, { required: [tax] }] }
        free: { type: object, additionalProperties: { type: integer } }
    Line: { type: object, required: [sku], properties: { sku: { type: string }, quantity: { type: integer } } }
    Card: { type: object, required: [number], additionalProperties: false, properties: { number: { type: string } } }
    Tree: { type: object, properties: { left: { $ref: "#/components/schemas/Tree" }, right: { $ref: "#/components/schemas/Tree" } } }
    Order:
      type: object
      additionalProperties: false
      required: [id]
      properties:
        id: { type: string }
        at: { type: object, properties: { day: { type: string } } }
        lines: { type: array, items: { $ref: "#/components/schemas/Line" } }
        open: { type: object, additionalProperties: true, properties: { x: { type: string } } }
        either: { oneOf: [{ $ref: "#/components/schemas/Card" }, { type: object, properties: { iban: { type: string } } }] }
        both: { allOf: [{ $ref: "#/components/schemas/Line" }, { type: object, properties: { tax: { type: integer } } }] }
"##;

fn api(version: &str) -> Api {
    let nullable =
        if version.starts_with("3.0") { "{ type: string, nullable: true }" } else { "{ type: [string, \"null\"] }" };
    Api::read(&DOCUMENT.replace("VERSION", version).replace("NULLABLE", nullable)).expect("a document")
}

fn said_of(source: &str, api: Api, base: &str) -> Vec<Diagnostic> {
    let mut services: Services = ["shop", "other"].into();
    services.describe("shop", Arc::new(api), base);
    parse(source, Some(&services)).diagnostics
}

/// One step that has `what`, from line 3, column 8 on; and what is said, with its column.
fn said(version: &str, what: &str) -> Vec<(&'static str, u32)> {
    let source = format!(
        "saga: s\nsteps:\n  a: {{ {what}, compensate: none, reason: nothing to undo }}\noutput: {{ a: \"${{{{ saga.id }}}}\" }}\n"
    );
    let found = said_of(&source, api(version), "");
    for found in &found {
        assert!(found.hint.is_some(), "{found} has no hint");
        assert_eq!(found.line, 3, "{found}");
    }
    found
        .into_iter()
        .filter(|found| !["W0604", "W0609"].contains(&found.code))
        .map(|found| (found.code, found.column))
        .collect()
}

const ORDER: &str = "call: shop POST /orders, headers: { X-Tenant: t }, body: ";

fn body(body: &str) -> String {
    format!("{ORDER}{body}")
}

/// The answer of an order, and what an `output` reads of it.
fn output(path: &str) -> String {
    format!("{ORDER}{{ customer: ann, lines: [] }}, output: {{ o: \"${{{{ {path} }}}}\" }}")
}

/// Where the body begins.
const BODY: u32 = 8 + ORDER.len() as u32;

#[test]
fn each_mistake_is_told_with_its_code_and_its_place() {
    let output_at = u32::try_from(output("").find("${{ ").expect("an expression")).expect("a column") + 8 + 4;
    // What it is, the text, and each code with its column.
    type Case = (&'static str, String, Vec<(&'static str, u32)>);
    let cases: Vec<Case> = vec![
        // ---- paths and methods
        ("another path", "call: shop POST /orderz".into(), vec![("E0701", 24)]),
        ("one segment more", "call: shop POST /orders/1/confirm/now".into(), vec![("E0701", 24)]),
        ("a value for a word", "call: 'shop POST /orders/${{ saga.id }}/confirn'".into(), vec![("E0701", 25)]),
        ("another method", "call: shop PUT /orders".into(), vec![("E0702", 19)]),
        ("the literal path before the parameter", "call: shop DELETE /orders/mine".into(), vec![("E0702", 19)]),
        ("a path of another service", "call: other POST /orderz".into(), vec![]),
        ("a parameter", "call: 'shop DELETE /orders/${{ saga.id }}'".into(), vec![]),
        ("a literal for a parameter", "call: shop DELETE /orders/7".into(), vec![]),
        ("a text around a value", "call: 'shop DELETE /orders/a-${{ saga.id }}-b'".into(), vec![]),
        ("a value that may be a word", "call: 'shop POST /${{ saga.id }}'".into(), vec![]),
        ("a slash at the end", "call: shop DELETE /orders/7/".into(), vec![]),
        ("percent-encoding", "call: shop POST /orders/min%65".into(), vec![]),
        ("the base of the server in front", "call: shop POST /api/v1/orders/mine".into(), vec![]),
        ("half of it", "call: shop POST /v1/orders/mine".into(), vec![("E0701", 24)]),
        // ---- parameters
        ("no header", "call: shop POST /orders, body: { customer: ann, lines: [] }".into(), vec![]),
        ("no query", "call: 'shop GET /orders/1'".into(), vec![("E0707", 24)]),
        ("another query", "call: 'shop GET /orders/1?until=2'".into(), vec![("E0707", 24)]),
        ("the query", "call: 'shop GET /orders/1?x=1&s%69nce=${{ saga.id }}'".into(), vec![]),
        ("a query that may be it", "call: 'shop GET /orders/1?${{ saga.name }}=1'".into(), vec![]),
        // ---- bodies
        ("no body", "call: shop POST /orders, headers: { x-tenant: t }".into(), vec![("E0703", 24)]),
        ("a body that need not be there", "call: shop POST /orders/1/confirm".into(), vec![]),
        ("a body where none is", "call: shop POST /orders/mine, body: 1".into(), vec![("W0701", 44)]),
        ("a body of another type", "call: shop POST /text, body: 1".into(), vec![]),
        ("a body of any type", "call: shop POST /any, body: 1".into(), vec![]),
        (
            "right",
            body("{ customer: ann, lines: [{ sku: a, more: 1 }], kind: express, amount: 1, rate: 2, note: ~ }"),
            vec![],
        ),
        ("an expression", body("'${{ saga.labels }}'"), vec![]),
        (
            "expressions",
            body("{ customer: '${{ saga.id }}', lines: '${{ saga.x }}' }").replace("saga.x", "saga.labels"),
            vec![],
        ),
        ("no object", body("[]"), vec![("E0706", BODY)]),
        ("a field missing", body("{ customer: ann }"), vec![("E0704", BODY)]),
        ("a field too many", body("{ customer: ann, lines: [], linez: 1 }"), vec![("E0705", BODY + 28)]),
        ("a number for a text", body("{ customer: 1, lines: [] }"), vec![("E0706", BODY + 12)]),
        (
            "a text for a number",
            body("{ customer: ann, lines: [], amount: 'n ${{ saga.id }}' }"),
            vec![("E0706", BODY + 36)],
        ),
        ("a fraction for an integer", body("{ customer: ann, lines: [], amount: 1.5 }"), vec![("E0706", BODY + 36)]),
        ("an integer written with a point", body("{ customer: ann, lines: [], amount: 1.0 }"), vec![]),
        ("nothing for a text", body("{ customer: ~, lines: [] }"), vec![("E0706", BODY + 12)]),
        ("too short", body("{ customer: a, lines: [] }"), vec![("E0706", BODY + 12)]),
        ("too long", body("{ customer: annabel, lines: [] }"), vec![("E0706", BODY + 12)]),
        ("perhaps too long", body("{ customer: 'annabel ${{ saga.id }}', lines: [] }"), vec![]),
        ("too small", body("{ customer: ann, lines: [], amount: 0 }"), vec![("E0706", BODY + 36)]),
        ("too large", body("{ customer: ann, lines: [], amount: 101 }"), vec![("E0706", BODY + 36)]),
        (
            "too many items",
            body("{ customer: ann, lines: [{ sku: a }, { sku: b }, { sku: c }] }"),
            vec![("E0706", BODY + 24)],
        ),
        ("no word of the list", body("{ customer: ann, lines: [], kind: expres }"), vec![("E0706", BODY + 34)]),
        (
            "an item without a field",
            body("{ customer: ann, lines: [{ sku: a }, { quantity: 1 }] }"),
            vec![("E0704", BODY + 37)],
        ),
        ("one of two", body("{ customer: ann, lines: [], pay: { number: a } }"), vec![]),
        ("the other", body("{ customer: ann, lines: [], pay: cash }"), vec![]),
        ("none of two", body("{ customer: ann, lines: [], pay: 7 }"), vec![("E0706", BODY + 33)]),
        (
            "one of two with a mistake",
            body("{ customer: ann, lines: [], pay: { numbr: a } }"),
            vec![("E0704", BODY + 33)],
        ),
        ("two at once", body("{ customer: ann, lines: [], both: { sku: a } }"), vec![("E0704", BODY + 34)]),
        ("any field", body("{ customer: ann, lines: [], free: { x: 1, y: z } }"), vec![("E0706", BODY + 45)]),
        (
            "a schema in itself",
            "call: shop POST /orders/1/confirm, body: { left: { right: { left: 1 } } }".into(),
            vec![("E0706", 74)],
        ),
        // ---- answers
        ("what is there", output("response.body.at.day"), vec![]),
        ("the whole", output("response.body"), vec![]),
        ("the status", output("response.status"), vec![]),
        ("a header", output("response.headers.location"), vec![]),
        ("what cannot be there", output("response.body.idd"), vec![("E0708", output_at)]),
        ("the same with another way", output("response.body.idd | default('')"), vec![]),
        ("below a text", output("response.body.id.x"), vec![("E0708", output_at)]),
        ("what is not mentioned", output("response.body.at.hour"), vec![("W0702", output_at)]),
        ("what is open", output("response.body.open.y"), vec![]),
        ("an item", output("response.body.lines[0].sku"), vec![]),
        ("what no item mentions", output("response.body.lines[0].sk"), vec![("W0702", output_at)]),
        ("a field of a list", output("response.body.lines.sku"), vec![("E0708", output_at)]),
        ("an item of an object", output("response.body.at[0]"), vec![("E0708", output_at)]),
        ("in one of two", output("response.body.either.number"), vec![]),
        ("in the other", output("response.body.either.iban"), vec![]),
        ("in neither", output("response.body.either.bic"), vec![("W0702", output_at)]),
        ("in both together", output("response.body.both.tax"), vec![]),
        ("not in both together", output("response.body.both.tex"), vec![("W0702", output_at)]),
    ];
    let mut lies = vec![];
    for version in ["3.0.3", "3.1.0"] {
        for (name, what, expected) in &cases {
            let said = said(version, what);
            if said != *expected {
                lies.push(format!("{version}: {name}: {what}\n  said {said:?}, expected {expected:?}"));
            }
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}

#[test]
fn the_base_of_the_address_and_those_of_the_servers_may_stand_in_front_or_not() {
    let source = |path: &str| {
        format!(
            "saga: s\nsteps:\n  a: {{ pivot: true, call: shop POST {path} }}\noutput: {{ a: \"${{{{ saga.id }}}}\" }}\n"
        )
    };
    let codes = |path: &str, base: &str| -> Vec<&str> {
        said_of(&source(path), api("3.1.0"), base).iter().map(|found| found.code).collect()
    };
    for base in ["", "/", "/api/v1", "/elsewhere", "/api"] {
        assert_eq!(codes("/orders/mine", base), [""; 0], "{base}");
    }
    // The address ends in front of the base, or within it.
    assert_eq!(codes("/v1/orders/mine", "/api"), [""; 0]);
    assert_eq!(codes("/v1/orders/mine", "/"), ["E0701"]);
    let servers = |servers: Value| {
        let paths = json!({ "/a": { "post": { "responses": {} } } });
        Api::of(json!({ "openapi": "3.0.0", "servers": servers, "paths": paths })).expect("a document")
    };
    let said = |path: &str, api: Api| said_of(&source(path), api, "").len();
    assert_eq!(said("/v2/a", servers(json!([{ "url": "/v2" }]))), 0);
    let variable = json!([{ "url": "https://h/{stage}", "variables": { "stage": { "default": "v2" } } }]);
    assert_eq!(said("/v2/a", servers(variable)), 0);
    assert_eq!(said("/v2/a", servers(json!([{ "url": "https://h" }]))), 1);
}

#[test]
fn an_answer_that_only_some_statuses_have_is_left_alone_and_so_is_one_that_comes_by_callback() {
    let source = |field: &str, more: &str| {
        format!(
            "saga: s\nsteps:\n  a: {{ pivot: true, call: shop POST /orders/1/confirm, output: {{ o: \"${{{{ response.body.{field} }}}}\" }}{more} }}\n\
             output: {{ a: \"${{{{ steps.a.output.o }}}}\" }}\n"
        )
    };
    let codes =
        |source: String| -> Vec<&str> { said_of(&source, api("3.1.0"), "").iter().map(|found| found.code).collect() };
    assert_eq!(codes(source("a", "")), [""; 0]);
    assert_eq!(codes(source("b", "")), [""; 0]);
    assert_eq!(codes(source("c", "")), ["W0702"]);
    assert_eq!(codes(source("c", ", async: true, timeout: 1d")), [""; 0]);
}

#[test]
fn compensations_and_probes_are_checked_like_actions() {
    let source = "saga: s\nsteps:\n  a:\n    call: shop POST /any\n    probe: shop GET /any\n    \
                  compensate: { call: shop POST /orders/mine, body: 1 }\n  b:\n    call: shop POST /any\n    \
                  probe: { call: shop GET /nowhere }\n    compensate: { call: shop POST /nowhere }\n";
    let found = said_of(source, api("3.1.0"), "");
    let places: Vec<_> = found.iter().map(|found| (found.code, found.line, found.column)).collect();
    let expected = [("E0702", 5, 17), ("W0701", 6, 55), ("E0701", 9, 29), ("E0701", 10, 35)];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn a_slip_of_the_pen_is_told_what_was_meant() {
    let hint = |what: &str| {
        let found = said_of(&format!("saga: s\nsteps:\n  a: {{ pivot: true, {what} }}\n"), api("3.1.0"), "");
        found[0].hint.clone().unwrap_or_default()
    };
    assert_eq!(hint("call: 'shop POST /orders/${{ saga.id }}/confrim'"), "did you mean `/orders/{id}/confirm`?");
    assert_eq!(hint("call: shop PUT /orders"), "its document has POST");
    assert_eq!(hint(&body("{ customer: ann, lines: [], amont: 1 }")), "did you mean `amount`?");
    assert_eq!(hint(&body("{ customer: ann, lines: [], kind: expres }")), "did you mean `express`?");
}

fn refused(document: Value) -> String {
    Api::of(document).expect_err("no document").to_string()
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let place = |text: &str| Api::read(text).expect_err("no document");
    let Unreadable { place: at, message } = place("openapi: 3.1.0\npaths: [\n");
    assert!(at.starts_with("line "), "{at}: {message}");
    assert!(place("{ \"openapi\": 3.1,\n x }").to_string().starts_with("line 2, column "));
    assert!(place("openapi: 3.1.0\nopenapi: 3.1.0\npaths: {}\n").place.starts_with("line 2"));
    assert!(place("").place.starts_with("line ") || place("").place == "#");
    assert!(place(&" ".repeat(limits::DOCUMENT_BYTES + 1)).message.contains("8 MiB"));
    assert!(place(&format!("openapi: 3.1.0\npaths: {}", "[".repeat(100_000))).place.starts_with("line "));
    assert!(place(&format!("{{\"openapi\": {}", "[".repeat(100_000))).place.starts_with("line "));

    assert!(refused(json!({ "swagger": "2.0" })).contains("convert it"));
    assert!(refused(json!({ "paths": {} })).starts_with("#: it has no `openapi"));
    assert!(refused(json!({ "openapi": "4.0.0", "paths": {} })).starts_with("#/openapi: version `4.0.0`"));
    assert!(refused(json!({ "openapi": "3.1.0" })).starts_with("#/paths"));
    let with =
        |schema: Value| json!({ "openapi": "3.1.0", "paths": {}, "components": { "schemas": { "A/B": schema } } });
    let remote = refused(with(json!({ "items": { "$ref": "other.yaml#/X" } })));
    assert!(remote.starts_with("#/components/schemas/A~1B/items: the reference `other.yaml#/X` leads out"), "{remote}");
    assert!(refused(with(json!({ "$ref": "#/components/schemas/C" }))).contains("there is nothing at"));
    assert!(Api::of(with(json!({ "example": { "$ref": "other.yaml" }, "x-y": { "$ref": "other.yaml" } }))).is_ok());
    let mut deep = json!({});
    (0..limits::DOCUMENT_DEPTH).for_each(|_| deep = json!({ "items": deep.take() }));
    assert!(refused(with(deep)).contains("inside each other"));
    let paths: Value =
        (0..=limits::DOCUMENT_PATHS).map(|n| (format!("/{n}"), json!({}))).collect::<serde_json::Map<_, _>>().into();
    assert!(refused(json!({ "openapi": "3.1.0", "paths": paths })).contains("more than 5000 paths"));
    let nodes = json!({ "openapi": "3.1.0", "paths": {}, "x": vec![0; limits::DOCUMENT_NODES] });
    assert!(refused(nodes).contains("keys, values and items"));
}

#[test]
fn aliases_that_multiply_are_not_written_out() {
    let mut text = "openapi: 3.1.0\nl0: &l0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*l{}", level - 1);
        text += &format!("l{level}: &l{level} [{}]\n", [alias.as_str(); 10].join(", "));
    }
    let before = thread_time();
    let refused = Api::read(&(text + "paths: {}\n")).expect_err("too much");
    assert!(refused.place.starts_with("line "), "{refused}");
    // It is read once, at the start of a server; without optimisation this takes ten times as long.
    let at_most = Duration::from_secs(if cfg!(debug_assertions) { 30 } else { 3 });
    assert!(thread_time() - before < at_most, "{:?}", thread_time() - before);
}

/// Every alternative is two alternatives, thirty levels deep, and each leads to itself.
#[test]
fn alternatives_that_multiply_end_in_silence_and_soon() {
    let mut schemas = serde_json::Map::new();
    for level in 0..60 {
        let next = json!({ "$ref": format!("#/components/schemas/S{}", (level + 1) % 60) });
        schemas.insert(
            format!("S{level}"),
            json!({ "anyOf": [next, next], "oneOf": [next, next], "allOf": [next, next] }),
        );
    }
    let of = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/S0" } } });
    let operation = json!({ "requestBody": { "content": of }, "responses": { "200": { "content": of } } });
    let api = Api::of(
        json!({ "openapi": "3.1.0", "paths": { "/a": { "post": operation } }, "components": { "schemas": schemas } }),
    );
    let api = api.expect("a document");
    let steps: String = (0..limits::STEPS)
        .map(|n| format!("  s{n}: {{ call: shop POST /a, body: {{ a: [1, {{ b: 2 }}] }}, output: {{ o: \"${{{{ response.body.a.b }}}}\" }}, compensate: {{ call: shop POST /a, body: 1 }} }}\n"))
        .collect();
    let before = thread_time();
    let found = said_of(&format!("saga: s\nsteps:\n{steps}"), api, "");
    assert!(found.iter().all(|found| found.code == "W0604"), "{found:?}");
    assert!(thread_time() - before < Duration::from_secs(5), "{:?}", thread_time() - before);
}

fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.expect("time goes on"), nanos.expect("a part of a second"))
}

fn document_of(service: &str) -> Arc<Api> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../services/{service}/openapi.yaml"));
    Arc::new(Api::read(&fs::read_to_string(file).expect("a file")).expect("a document"))
}

/// The sagas that people know name services by what they do. Those that only share their name with a sample service are others:
/// a ledger of refunds, authorisations of a card, a charge that can be asked after, a recall that blocks stock.
const OF_OTHERS: [(&str, &str); 6] = [
    ("open-kitchen-ticket", "orders"),
    ("open-kitchen-ticket", "payments"),
    ("pay-third-party", "payments"),
    ("refund-recall", "inventory"),
    ("refund-recall", "payments"),
    ("start-subscription", "payments"),
];

#[test]
fn every_saga_fits_the_documents_of_the_sample_services_that_it_calls() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas");
    let (mut sagas, mut checked) = (0, 0);
    for file in fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()) {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some(name) = name.strip_suffix(".yaml").filter(|name| !name.ends_with(".test")) else { continue };
        let source = fs::read_to_string(&file).expect("a file");
        let definition = parse(&source, None).definition.expect("a definition");
        let mut services: Services = definition.services().into_iter().map(|service| service.as_str()).collect();
        let samples = [
            ("orders", "orders"),
            ("inventory", "inventory"),
            ("payments", "payments"),
            ("shipping", "shipping"),
            ("bank-a", "payments"),
            ("bank-b", "payments"),
        ];
        for (service, sample) in samples.into_iter().filter(|(service, _)| !OF_OTHERS.contains(&(name, *service))) {
            services.describe(service, document_of(sample), "/");
            checked += usize::from(source.contains(&format!("call: {service} ")));
        }
        sagas += 1;
        let found: Vec<_> = parse(&source, Some(&services)).diagnostics;
        let found: Vec<_> = found.iter().filter(|found| found.code[1..].starts_with("07")).collect();
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
    assert!(sagas >= 10 && checked >= 10, "{sagas} sagas, {checked} services of them checked");
}

/// Anything that looks a little like a document.
fn anything() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "$ref",
        "type",
        "properties",
        "items",
        "allOf",
        "anyOf",
        "oneOf",
        "required",
        "enum",
        "const",
        "paths",
        "/a",
        "/a/{x}",
        "post",
        "get",
        "parameters",
        "requestBody",
        "responses",
        "200",
        "content",
        "application/json",
        "schema",
        "servers",
        "url",
        "variables",
        "default",
        "additionalProperties",
        "nullable",
        "name",
        "in",
        "minimum",
        "exclusiveMinimum",
        "x",
        "a",
        "b",
        "components",
    ]);
    let texts = prop::sample::select(vec![
        "#",
        "#/components",
        "#/components/a",
        "#/paths/~1a",
        "object",
        "array",
        "string",
        "integer",
        "header",
        "query",
        "a",
        "https://h/{x}/",
        "/{x}",
        "3.0.0",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 200, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..6)
                .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

proptest! {
    /// Whatever stands where in a document: it is refused, or the definition is checked against it; nothing panics or hangs.
    #[test]
    fn no_document_breaks_the_check(anything in anything(), schema in anything(), operation in anything(), old in any::<bool>()) {
        let of = json!({ "application/json": { "schema": schema } });
        let document = json!({
            "openapi": if old { "3.0.0" } else { "3.1.0" },
            "servers": anything,
            "paths": {
                "/a": { "post": { "requestBody": { "content": of }, "responses": { "200": { "content": of } } } },
                "/a/{x}": { "post": operation },
                "/b": anything,
            },
            "components": { "a": schema, "b": anything },
        });
        if let Ok(api) = Api::of(document) {
            let source = "saga: s\nsteps:\n  a: { call: shop POST /a, body: { a: [1, { b: x }], x: '${{ saga.id }}' }, output: { o: \"${{ response.body.a[0].b }}\" }, compensate: { call: 'shop POST /a/${{ saga.id }}?x=1', body: { a: ~ } } }\n  b: { call: shop GET /b, compensate: none, reason: r }\n";
            let before = thread_time();
            let found = said_of(source, api, "/x");
            prop_assert!(thread_time() - before < Duration::from_secs(2));
            prop_assert!(found.iter().all(|found| found.line <= 4 && found.hint.is_some()));
        }
        let _ = Api::of(anything);
    }
}
