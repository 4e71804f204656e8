"""Says whether the downloader works, without any network: it is imported, and its challenge solver runs a
small player of our own in the JavaScript runtime. One argument: JSON with `site` and `runtime`. Prints
JSON: `version`, `certificates`, `challenge` (null: solved; else why not)."""

import json
import sys

wanted = json.loads(sys.argv[1])
if wanted['site']:
    sys.path.insert(0, wanted['site'])

import yt_dlp

PLAYER_URL = 'https://www.youtube.com/s/player/00c0ffee/player_ias.vflset/en_US/base.js'
# What the solver looks for: a class of addresses with get, set and clone, and a function that puts a
# deciphered signature into one of them.
PLAYER = '''var _yt_player={};(function(g){var first=1;var settings={signatureTimestamp:20000};
function A(a){this.v={}}
A.prototype.set=function(k,v){this.v[k]=v};
A.prototype.get=function(k){return this.v[k]};
A.prototype.clone=function(){return this};
A.prototype.mend=function(){var n=this.v.n;if(n)this.v.n="q"+n.split("").reverse().join("")};
function make(a,name,s){var u=new A(a);u.set("alr","yes");
if(s)u.set(name,encodeURIComponent(decodeURIComponent(s).slice(2).split("").reverse().join("")));return u}
})(_yt_player);'''


class Log:
    def __init__(self):
        self.lines = []

    def debug(self, text):
        pass

    info = debug

    def warning(self, text):
        self.lines.append(text)

    error = warning


def challenge():
    log = Log()
    runtime = wanted['runtime']
    ydl = yt_dlp.YoutubeDL({
        'quiet': True, 'logger': log, 'cachedir': False, 'proxy': 'http://127.0.0.1:9',
        'js_runtimes': {runtime['name']: {'path': runtime['path']}},
    })
    extractor = ydl.get_info_extractor('Youtube')
    try:
        from yt_dlp.extractor.youtube.jsc.provider import (
            JsChallengeRequest, JsChallengeType, NChallengeInput, SigChallengeInput)
        extractor.initialize()
        extractor._code_cache[extractor._player_js_cache_key(PLAYER_URL)] = PLAYER
        solve = extractor._jsc_director.bulk_solve
    except (ImportError, AttributeError):
        # Another version, built differently: nothing can be said, so nothing is.
        return None
    solved = {}
    for request, response in solve([
        JsChallengeRequest(JsChallengeType.N, NChallengeInput(PLAYER_URL, ['abcd'])),
        JsChallengeRequest(JsChallengeType.SIG, SigChallengeInput(PLAYER_URL, ['xy4321'])),
    ]):
        solved.update(response.output.results)
    if solved == {'abcd': 'qdcba', 'xy4321': '1234'}:
        return None
    return '; '.join(log.lines)[-1000:] or f'the answers were {solved}'


try:
    import certifi
    certificates = certifi.where()
except ImportError:
    certificates = None

print(json.dumps({
    'version': yt_dlp.version.__version__,
    'certificates': certificates,
    'challenge': challenge(),
}))
