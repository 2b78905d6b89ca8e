-- The shelf on Redis, for the barrier's script, whose functions these are: look by `redis.call`, change by `write`, answer once.
--
-- `stock` is a hash, sku → quantity; `skus` and `reservations` are lists, in the order in which they came; `reservation:<id>` is
-- a hash: order, sku, quantity, status.

local QUANTITY_MAX = 1000000000000

local function put_on_shelf(sku, quantity)
    if quantity < 0 or quantity > QUANTITY_MAX then
        error('a shelf cannot hold ' .. whole(quantity) .. ' of ' .. sku)
    end
    write('hset', key('stock'), sku, whole(quantity))
end

function business.take(new)
    local on_shelf = tonumber(redis.call('hget', key('stock'), new.sku) or nil)
    if not on_shelf then
        return refuse(404, 'not-found', 'there is no sku ' .. new.sku)
    end
    if on_shelf < new.quantity then
        local wanted = whole(new.quantity) .. ' of ' .. new.sku .. ' wanted'
        return refuse(409, 'out-of-stock', 'out of stock: ' .. wanted .. ', ' .. whole(on_shelf) .. ' left')
    end
    put_on_shelf(new.sku, on_shelf - new.quantity)
    write('hset', key('reservation:' .. new.id), 'order', new.order, 'sku', new.sku, 'quantity', whole(new.quantity), 'status', 'reserved')
    write('rpush', key('reservations'), new.id)
    return done(201, { id = new.id, sku = new.sku, quantity = new.quantity, remaining = on_shelf - new.quantity })
end

function business.give_back(asked_for, taken)
    local id = cjson.decode(taken.body).id
    local held = redis.call('hmget', key('reservation:' .. id), 'order', 'sku', 'quantity', 'status')
    if held[1] ~= asked_for.order or held[4] ~= 'reserved' then
        return refuse(409, 'not-reserved', 'reservation ' .. id .. ' is not held for order ' .. asked_for.order)
    end
    local sku, quantity = held[2], tonumber(held[3])
    put_on_shelf(sku, tonumber(redis.call('hget', key('stock'), sku)) + quantity)
    write('hset', key('reservation:' .. id), 'status', 'released')
    return done(200, { id = id, sku = sku, quantity = quantity, status = 'released' })
end

function business.set_stock(wanted)
    if redis.call('hexists', key('stock'), wanted.sku) == 0 then
        write('rpush', key('skus'), wanted.sku)
    end
    put_on_shelf(wanted.sku, wanted.quantity)
    return done(200, { sku = wanted.sku, quantity = wanted.quantity })
end
