use amends_core::definition::*;
use std::time::Instant;
fn main(){
  let which=std::env::args().nth(1).unwrap();
  match which.as_str(){
   "ref"=>{
    let d=parse("saga: s\ninput: { $ref: '#' }\nsteps:\n  a: { call: x POST /a, compensate: { call: x POST /u } }\n",None);
    println!("{:?}",d.diagnostics);
    println!("{:?}",d.definition.unwrap().check_input(&serde_json::json!({"a":1})));
    let d=parse("saga: s\ninput: { allOf: [{$ref: '#'}] }\nsteps:\n  a: { call: x POST /a, compensate: { call: x POST /u } }\n",None);
    println!("{:?}",d.definition.unwrap().check_input(&serde_json::json!({"a":1})));
    let mut defs=String::new();
    for i in 0..24 { defs.push_str(&format!("a{i}: {{allOf: [{{$ref: '#/$defs/a{}'}},{{$ref: '#/$defs/a{}'}}]}}, ",i+1,i+1)); }
    let s=format!("saga: s\ninput: {{ $ref: '#/$defs/a0', $defs: {{ {defs} a24: {{type: object}} }} }}\nsteps:\n  a: {{ call: x POST /a, compensate: {{ call: x POST /u }} }}\n");
    let t=Instant::now(); let d=parse(&s,None); println!("parse {:?} {:?}",t.elapsed(),d.diagnostics.len());
    let t=Instant::now(); let r=d.definition.unwrap().check_input(&serde_json::json!({"a":1})); println!("{r:?} {:?}",t.elapsed());
   }
   "big"=>{
    let mut s=String::from("saga: s\nsteps:\n");
    for i in 0..200 { s.push_str(&format!("  s{i}:\n    call: x POST /a\n    body:\n")); for _ in 0..40 { s.push_str("      - ${{ input.a + 1 }}\n"); } s.push_str("    compensate: none\n    reason: x\n"); }
    println!("{}",s.len()); let t=Instant::now(); let d=parse(&s,None); println!("big {:?} {}",t.elapsed(),d.diagnostics.len());
    let mut s=String::from("saga: s\nsteps:\n  a:\n    call: x POST /a\n    body: \""); for _ in 0..20000 { s.push_str("${{q.a}}"); } s.push_str("\"\n    compensate: none\n    reason: x\n");
    let t=Instant::now(); let d=parse(&s,None); println!("one scalar {:?} {}",t.elapsed(),d.diagnostics.len());
    let mut s=String::from("saga: s\nsteps:\n");
    for i in 0..200 { let needs:Vec<_>=(0..i).map(|j|format!("s{j}")).collect(); s.push_str(&format!("  s{i}: {{ needs: [{}], call: x POST /a, compensate: none, reason: x }}\n",needs.join(", "))); }
    println!("{}",s.len()); let t=Instant::now(); let d=parse(&s,None); println!("needs {:?} {}",t.elapsed(),d.diagnostics.len());
    let mut s=String::from("saga: s\nsteps:\n");
    for i in (0..200).rev() { let needs:Vec<_>=(0..i).map(|j|format!("s{j}")).collect(); s.push_str(&format!("  s{i}: {{ needs: [{}], call: x POST /a, compensate: none, reason: x }}\n",needs.join(", "))); }
    let t=Instant::now(); let d=parse(&s,None); println!("needs rev {:?} {}",t.elapsed(),d.diagnostics.len());
    let mut s=String::from("saga: s\nsteps:\n");
    let long="n".repeat(59);
    for i in 0..150 { s.push_str(&format!("  {long}a{i}: {{ needs: [], call: x POST /a, compensate: none, reason: x }}\n")); }
    s.push_str("  z: { call: x POST /a, compensate: none, reason: x, needs: ["); for i in 0..3000 { s.push_str(&format!("{long}{i}, ")); } s.push_str("] }\n");
    println!("{}",s.len());
    let t=Instant::now(); let d=parse(&s,None); println!("unknown needs {:?} {}",t.elapsed(),d.diagnostics.len());
    let mut s=String::from("saga: s\ninput: { properties: {"); for i in 0..2000 { s.push_str(&format!("p{i}: {{pattern: '(a{{90}}){{{}}}'}}, ",100+i%300)); } s.push_str("} }\nsteps:\n  a: { call: x POST /a, compensate: none, reason: x }\n");
    println!("{}",s.len());
    let t=Instant::now(); let d=parse(&s,None); println!("patterns {:?} {} {:?}",t.elapsed(),d.diagnostics.len(), d.diagnostics.first().map(|d|d.message.chars().take(100).collect::<String>()));
   }
   "expr"=>{
     use amends_core::expr::*;
     let big="x".repeat(1<<20);
     let world=serde_json::json!({"input":{"s":big,"no":null,"n":3}});
     let lookup=|p:&[Segment]| walk(&world,p).cloned();
     for text in [format!("input.s{}"," ~ input.s".repeat(390)), "input.no == null".into(), "input.no == none".into(), "null".into(), "none".into(), "input.n == null".into(), "true".into(), "input.n in [1,3]".into(), "input.n not in [1,3]".into(),"'a' if true".into(), "input.n / 0".into(), "input.n % 0".into(), "input.n // 0".into(), "9223372036854775807 + 1".into(), "1 / 3".into(), "-9223372036854775807 - 10".into(), "170141183460469231731687303715884105727 + 1".into(), "[1,2] | last".into(), "input['s'] | length".into(), "True".into(), "loop.index".into(), "self".into(), "input.n|default".into(), "input.x|default".into(), "input.x|default(1, true)".into(), "1 if input.n == 3 else 2".into(), "input.n\n+ 1".into(), "(1e5)".into(), "1.5 * 2".into(), "input.n | int | string".into(), "'%s' % input.n".into(), "input.n ~ 1.0".into(), "9007199254740993 + 0".into(), "{{}}".into(), "'a' * 3".into(), "not".into(), "1 | min".into(), "[] | max".into(), "-input.n".into(),"input.n is none".into(), "input . n".into(), "input.n.m".into(), "input.s[0]".into(), "input.s | first".into(), "[input.n, 4] | join('-')".into(), "in".into(), "if".into(), "input.if".into(), "input.in + 1".into(), "input.not".into(), "(input.n)[0]".into(), "'a'.b".into(), "'a'[0]".into(), "1.b".into(), "[1][0]".into(), "input.n[1:2]".into(), "input.items".into(), "input.items|default(3)".into(), "input.keys|default(3) + 1".into()] {
        let t=Instant::now();
        let r=match Expression::parse(&text){ Err(e)=>format!("refused: {}",e.message), Ok(e)=>format!("{:?}",e.evaluate(&lookup)) };
        println!("{:40} {:?} {}", text.chars().take(40).collect::<String>().replace('\n',"\\n"), t.elapsed(), r.chars().take(120).collect::<String>());
     }
   }
   _=>{}
  }
}
