-- The barrier on Redis: SEMANTICS §5 in one script, so that verdict, business change and stored reply are one step. What it
-- means stands in `rules.rs`; the suite holds both to it.
--
-- Redis takes nothing back: what a script has written stays, even if it fails afterwards. So nothing is written before all is
-- decided. Business functions look by `redis.call` and change by `write`, which only takes notes; the notes are carried out at
-- the very end, or dropped.
--
-- KEYS[1] is everything about one saga, a hash: `epoch` (its fence), `<op>:<item>:<step>` (a call, as JSON), `token:<item>:<step>`,
-- `ended` (its mark). Epochs and times are texts: a number of Lua's keeps 53 bits, and fewer on its way into JSON.
--
-- Every question about a call is answered with four things: a word, status and body of a reply or nothing, and 1 if something was
-- decided here.

local asked = cjson.decode(ARGV[1])
local off = asked.off

local function holds(rule)
    return off ~= rule
end

local function key(name)
    return asked.prefix .. name
end

local saga_key = KEYS[1]

-- What is to be written: the barrier's own, and the business's.
local rows, change = {}, {}

local function row(...)
    rows[#rows + 1] = { ... }
end

local function write(command, where, ...)
    if string.sub(where, 1, #asked.prefix) ~= asked.prefix then
        error('a change outside of the prefix: ' .. where)
    end
    change[#change + 1] = { command, where, ... }
end

local function carry_out(notes)
    for _, note in ipairs(notes) do
        redis.call(unpack(note))
    end
end

-- A whole number as text: Lua writes large ones with an exponent.
local function whole(number)
    return string.format('%.0f', number)
end

-- What a business function answers with. `body` becomes JSON.
local function done(status, body)
    return { state = 'done', status = status, body = cjson.encode(body) }
end

local function accept(body)
    return { state = 'accepted', status = 202, body = cjson.encode(body) }
end

local function refuse(status, word, detail)
    local problem = {
        type = 'urn:amends:problem:' .. word,
        title = string.gsub(word, '-', ' '),
        status = status,
        detail = detail,
    }
    return { state = 'rejected', status = status, body = cjson.encode(problem) }
end

local business = {}

--{business}

local function decide(original)
    local verdict = asked.refusal
    if not verdict then
        verdict = business[asked.business](asked.argument, original)
    end
    local status = verdict.status
    local fits = {
        done = status >= 200 and status < 300 and status ~= 202,
        rejected = status >= 400 and status < 500 and status ~= 408 and status ~= 425 and status ~= 429,
        accepted = status == 202,
    }
    if not fits[verdict.state] then
        error('the verdict is not allowed: ' .. verdict.state .. ' ' .. status)
    end
    return verdict
end

-- Decimal numbers without zeros in front.
local function above(one, other)
    if #one ~= #other then
        return #one > #other
    end
    return one > other
end

local function field(op)
    return op .. ':' .. asked.item .. ':' .. asked.step
end

local function member()
    return asked.saga .. ':' .. asked.item .. ':' .. asked.step
end

local function call_get(op)
    local stored = redis.call('hget', saga_key, field(op))
    return stored and cjson.decode(stored)
end

local function call_put(op, stored)
    stored.at = asked.at
    row('hset', saga_key, field(op), cjson.encode(stored))
end

local function call_judge(op, verdict, epoch, attempt, digest)
    call_put(op, {
        state = verdict.state,
        status = verdict.status,
        body = verdict.body,
        digest = digest,
        epoch = epoch,
        attempt = attempt,
    })
end

local function ledger_write(op, effect, epoch, attempt)
    local seq = redis.call('llen', key('ledger')) + 1
    local entry = cjson.encode({
        seq = seq,
        saga = asked.saga,
        step = asked.step,
        item = asked.item,
        op = op,
        effect = effect,
        epoch = epoch,
        attempt = attempt,
        at = asked.at,
    })
    row('rpush', key('ledger'), entry)
    row('rpush', key('ledger:' .. asked.saga), entry)
end

local function token_drop()
    row('hdel', saga_key, field('token'))
    row('zrem', key('due'), member())
end

-- Raises the fence to the call's epoch; whether it stood above.
local function fenced()
    local highest = redis.call('hget', saga_key, 'epoch')
    if highest and above(highest, asked.epoch) then
        return holds('Fence')
    end
    if highest ~= asked.epoch then
        row('hset', saga_key, 'epoch', asked.epoch)
    end
    return false
end

local function decided(verdict)
    return { 'definite', verdict.status, verdict.body, 1 }
end

local function replayed(stored)
    return { 'definite', stored.status, stored.body, 0 }
end

-- What has no reply of its own.
local function word(word)
    return { word, 0, '', 0 }
end

-- What an attempt means whose row is taken; nothing: it is judged anew.
local function taken(stored)
    if holds('OtherBody') and stored.digest and stored.digest ~= asked.digest then
        return word('other-body')
    end
    if stored.state == 'tombstone' then
        return word('tombstone')
    end
    if stored.state == 'rejected' then
        local later = above(asked.epoch, stored.epoch) or (asked.epoch == stored.epoch and asked.attempt > stored.attempt)
        if later or not holds('StoredRejection') then
            return nil
        end
    end
    return replayed(stored)
end

local ask = {}

function ask.action()
    if fenced() then
        return word('stale-epoch')
    end
    local stored = call_get('action')
    local answer = stored and taken(stored)
    if answer then
        carry_out(rows)
        return answer
    end
    local verdict = decide()
    call_judge('action', verdict, asked.epoch, asked.attempt, asked.digest)
    if verdict.state ~= 'rejected' then
        ledger_write('action', 'applied', asked.epoch, asked.attempt)
    end
    if verdict.state == 'accepted' and asked.token and holds('KeptToken') then
        row('hset', saga_key, field('token'), asked.token)
    end
    carry_out(rows)
    if verdict.state ~= 'rejected' or not holds('Savepoint') then
        carry_out(change)
    end
    return decided(verdict)
end

function ask.compensate()
    if fenced() then
        return word('stale-epoch')
    end
    -- A refused compensation takes back everything but the fence: an old epoch stays old whatever is decided here.
    carry_out(rows)
    rows = {}
    local before = call_get('compensate')
    if before then
        return taken(before)
    end
    local action = call_get('action')
    local verdict, effect
    if action and (action.state == 'done' or action.state == 'accepted') then
        verdict, effect = decide(action), 'undone'
        if verdict.state == 'rejected' then
            return replayed(verdict)
        end
        if verdict.state == 'accepted' then
            error('a compensation cannot be accepted')
        end
    else
        verdict, effect = asked.null_reply, 'null'
    end
    if holds('Tombstone') then
        -- Also over a rejection: a later attempt of the action, still on its way, must not be judged anew.
        local tombstone = action or { epoch = asked.epoch, attempt = asked.attempt }
        tombstone.state = 'tombstone'
        call_put('action', tombstone)
        token_drop()
    end
    call_judge('compensate', verdict, asked.epoch, asked.attempt, asked.digest)
    ledger_write('compensate', effect, asked.epoch, asked.attempt)
    carry_out(rows)
    carry_out(change)
    return decided(verdict)
end

-- Accepting counts as *applied*; so a completed action needs no second entry, and a refusal here is its *undone*.
function ask.complete()
    local action = call_get('action')
    if not action then
        return word('never accepted')
    end
    if action.state == 'tombstone' then
        return word('compensated')
    end
    if action.state ~= 'accepted' then
        return { 'already completed', action.status, action.body, 0 }
    end
    local verdict = decide(action)
    if verdict.state == 'accepted' then
        error('an accepted action was accepted again')
    end
    local epoch, attempt = action.epoch, action.attempt
    if verdict.state == 'rejected' then
        ledger_write('action', 'undone', epoch, attempt)
        -- A rejection is judged anew by later attempts; this one has been told, or will be, as the verdict on all of them.
        if holds('FinalRefusal') then
            epoch, attempt = '9223372036854775807', 4294967295
        end
    end
    call_judge('action', verdict, epoch, attempt, action.digest)
    if redis.call('hexists', saga_key, field('token')) == 1 then
        row('zadd', key('due'), asked.at, member())
    end
    carry_out(rows)
    carry_out(change)
    return { 'completed', verdict.status, verdict.body, 1 }
end

function ask.probe()
    local action = call_get('action')
    if action and (action.state == 'done' or action.state == 'accepted') then
        return replayed(action)
    end
    return word('not applied')
end

function ask.heard()
    token_drop()
    carry_out(rows)
    return 0
end

-- What is still to be told: saga, item, step, token, state and body of each.
function ask.due()
    local due = {}
    for _, found in ipairs(redis.call('zrange', key('due'), 0, asked.limit - 1)) do
        local saga, place = string.match(found, '^([^:]+):(.*)$')
        local item, step = string.match(place, '^([^:]+):(.*)$')
        local stored = redis.call('hmget', key('saga:' .. saga), 'token:' .. place, 'action:' .. place)
        local action = cjson.decode(stored[2])
        due[#due + 1] = { saga, item, step, stored[1], action.state, action.body }
    end
    return due
end

-- Writes that belong to no call.
function ask.unguarded()
    local answer = business[asked.business](asked.argument)
    carry_out(change)
    return { 'definite', answer.status, answer.body, 1 }
end

-- A saga is known if it has a fence: every call raises it before all else.
function ask.forget()
    local named = {}
    for number, saga in ipairs(asked.sagas) do
        named[number] = key('saga:' .. saga)
    end
    if not holds('OnlyNamed') then
        named = redis.call('keys', key('saga:*'))
    end
    local marked = 0
    for _, one in ipairs(named) do
        if not holds('FirstMark') then
            redis.call('hdel', one, 'ended')
        end
        if redis.call('hexists', one, 'epoch') == 1 and redis.call('hsetnx', one, 'ended', asked.at) == 1 then
            redis.call('zadd', key('ended'), asked.at, string.sub(one, #key('saga:') + 1))
            marked = marked + 1
        end
    end
    return marked
end

-- One batch of what is due, the oldest first; of how many sagas. A saga goes whole: half of its rows would be a lie.
function ask.let_go()
    local due = redis.call('zrangebyscore', key('ended'), '-inf', asked.until_us, 'limit', 0, asked.sagas_max)
    local sagas, calls = 0, 0
    for _, saga in ipairs(due) do
        local where = key('saga:' .. saga)
        calls = calls + redis.call('hlen', where)
        if calls > asked.calls_max and sagas > 0 then
            break
        end
        for _, name in ipairs(redis.call('hkeys', where)) do
            local place = string.match(name, '^token:(.*)$')
            if place then
                redis.call('zrem', key('due'), saga .. ':' .. place)
            end
        end
        local epoch = redis.call('hget', where, 'epoch')
        redis.call('del', where)
        if not holds('WholeSaga') then
            redis.call('hset', where, 'epoch', epoch)
        end
        redis.call('zrem', key('ended'), saga)
        sagas = sagas + 1
    end
    return sagas
end

return ask[asked.ask]()
