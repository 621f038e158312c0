-- Contender B: the gateway as it would be written for nginx with Lua.
--
-- A delivery in; 200, 401 or 503 out. Verification, id, type and account from the JSON, dedupe
-- and XADD by one script call per delivery over kept-alive connections.
--
-- HMAC comes from the libcrypto that nginx is linked with. The keyed state is made once and set
-- back for each delivery, which is the cheapest way that libcrypto has.

local cjson = require 'cjson'
local ffi = require 'ffi'
local redis = require 'nginx.redis'

ffi.cdef [[
typedef struct evp_md_st EVP_MD;
typedef struct hmac_ctx_st HMAC_CTX;
const EVP_MD *EVP_sha256(void);
HMAC_CTX *HMAC_CTX_new(void);
int HMAC_Init_ex(HMAC_CTX *ctx, const void *key, int len, const EVP_MD *md, void *engine);
int HMAC_Update(HMAC_CTX *ctx, const char *data, size_t len);
int HMAC_Final(HMAC_CTX *ctx, unsigned char *md, unsigned int *len);
int CRYPTO_memcmp(const void *a, const void *b, size_t len);
]]

local TOLERANCE_SECONDS = 300
local WINDOW_MS = 72 * 3600 * 1000
local TIMEOUT_MS, KEEPALIVE_MS, POOL = 2000, 60000, 256

local C = ffi.C
local context = C.HMAC_CTX_new()
local digest = ffi.new('unsigned char[32]')
local claimed = ffi.new('unsigned char[32]')
local digest_bytes = ffi.new('unsigned int[1]')

local M = {}
local port, script, script_sha

-- Called once in each worker.
function M.setup(secret, redis_port, script_text)
  assert(C.HMAC_Init_ex(context, secret, #secret, C.EVP_sha256(), nil) == 1)
  port, script, script_sha = redis_port, script_text, nil
end

local function answer(status, text)
  ngx.status = status
  ngx.header['content-type'] = 'application/json'
  ngx.header['content-length'] = #text
  if status == 503 then ngx.header['retry-after'] = '2' end
  ngx.print(text)
  return ngx.exit(status)
end

local function refuse(reason)
  return answer(401, '{"reason":"' .. reason .. '"}')
end

local function body_bytes()
  local body = ngx.req.get_body_data()
  if body then return body end
  local path = ngx.req.get_body_file()
  if not path then return '' end
  local file = assert(io.open(path, 'rb'))
  body = file:read('*a')
  file:close()
  return body
end

local function verified(timestamp, signature, body)
  for i = 0, 31 do
    claimed[i] = tonumber(string.sub(signature, 2 * i + 1, 2 * i + 2), 16)
  end
  C.HMAC_Init_ex(context, nil, 0, nil, nil)
  C.HMAC_Update(context, timestamp, #timestamp)
  C.HMAC_Update(context, '.', 1)
  C.HMAC_Update(context, body, #body)
  C.HMAC_Final(context, digest, digest_bytes)
  return C.CRYPTO_memcmp(digest, claimed, 32) == 0
end

local function append(keys, ...)
  local store = redis:new()
  store:set_timeout(TIMEOUT_MS)
  local ok, problem = store:connect('127.0.0.1', port)
  if not ok then return nil, problem end
  if not script_sha then
    script_sha, problem = store:script('load', script)
    if not script_sha then return nil, problem end
  end
  local reply
  reply, problem = store:evalsha(script_sha, 2, keys[1], keys[2], ...)
  if not reply and problem and string.find(problem, 'NOSCRIPT', 1, true) then
    reply, problem = store:eval(script, 2, keys[1], keys[2], ...)
  end
  store:set_keepalive(KEEPALIVE_MS, POOL)
  return reply, problem
end

function M.receive()
  local headers = ngx.req.get_headers()
  local timestamp, signature = string.match(headers['unipile-signature'] or '', '^t=(%d+),v0=(%x+)$')
  if not timestamp or #signature ~= 64 then return refuse('signature_malformed') end
  local now = ngx.now()
  if math.abs(now - tonumber(timestamp)) > TOLERANCE_SECONDS then return refuse('timestamp_too_old') end
  ngx.req.read_body()
  local body = body_bytes()
  if not verified(timestamp, signature, body) then return refuse('signature_mismatch') end
  local event = cjson.decode(body)
  local content_type, agent = headers['content-type'] or '', headers['user-agent'] or ''
  local reply = append(
    { 'events:{unipile}:' .. event.type, 'events:{unipile}@seen:' .. event.id }, WINDOW_MS,
    'specversion', '1.0', 'id', event.id, 'source', '/webhooks/unipile', 'type', event.type,
    'time', event.created_at, 'datacontenttype', content_type, 'account', event.account_id,
    'headers', cjson.encode({ ['content-type'] = content_type, ['user-agent'] = agent }),
    'receivedat', string.format('%d', now * 1000), 'assurance', 'body', 'relayversion', '1',
    'data', body)
  if not reply then return answer(503, '{"reason":"store_unavailable"}') end
  if reply[1] == 1 then return answer(200, '{"received":true,"duplicate":true}') end
  return answer(200, '{"received":true}')
end

return M
