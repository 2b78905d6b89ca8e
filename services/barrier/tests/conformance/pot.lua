-- The pot on Redis: a hash, `coins`, `cap`, `mood`.

local function look()
    local found = redis.call('hmget', key('pot'), 'coins', 'cap', 'mood')
    return { coins = tonumber(found[1] or '0'), cap = tonumber(found[2] or '100'), mood = found[3] or 'well' }
end

function business.fill(fill)
    local pot = look()
    write('hset', key('pot'), 'coins', whole(pot.coins + fill.add))
    local receipt = { id = fill.id, added = fill.add }
    if pot.mood == 'broken' or pot.mood == 'panic' then
        error('the test wants it so')
    end
    if pot.mood == 'slow' then
        return accept(receipt)
    end
    if pot.coins + fill.add > pot.cap then
        return refuse(409, 'full', 'the pot is full')
    end
    return done(201, receipt)
end

function business.empty(undo, filled)
    local pot, receipt = look(), cjson.decode(filled.body)
    if pot.coins < receipt.added then
        return refuse(409, 'spent', 'the coins are gone')
    end
    write('hset', key('pot'), 'coins', whole(pot.coins - receipt.added))
    if pot.mood == 'broken' then
        error('the test wants it so')
    end
    return done(200, { id = undo.id, took = receipt.added })
end

function business.finish(finish, filled)
    if finish.good then
        return done(201, cjson.decode(filled.body))
    end
    business.empty(finish, filled)
    return refuse(409, 'failed', 'the work failed in the end')
end

function business.set(pot)
    write('hset', key('pot'), 'coins', whole(pot.coins), 'cap', whole(pot.cap), 'mood', pot.mood)
    return done(200, {})
end
