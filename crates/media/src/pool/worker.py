"""A downloader that stays: takes one job at a time as a JSON line on stdin, answers in JSON lines on stdout.

The first line configures: site, proxy, js_runtime {name, path}, no_certifi. Then jobs: search {id, query,
limit}, describe {id, url}, download {id, url, folder, max_duration_sec, max_bytes}, ping {id}; and cancel
{id} at any time. Answers: ready {version}; resolved {id, info}; progress {id, done, total}; done {id, rss_kb,
info | entries | failure {kind, message, causes, tail}}. It ends when stdin does, with all it has started.
"""

import collections
import json
import os
import queue
import signal
import sys
import threading
import time
import urllib.parse

# Nothing but the protocol goes to the real stdout: whatever prints, prints to stderr.
protocol = os.fdopen(os.dup(1), 'w', buffering=1, encoding='utf-8')
os.dup2(2, 1)
sys.stdout = sys.stderr

config = json.loads(sys.stdin.readline())
if config['site']:
    sys.path.insert(0, config['site'])

import yt_dlp
from yt_dlp.utils import DownloadCancelled, DownloadError

PROGRESS_EVERY = 0.2
TAIL_LINES = 40
TOO_LARGE = 'larger than max-filesize'

sending = threading.Lock()
cancelled = set()
jobs = queue.Queue()


def send(**event):
    with sending:
        protocol.write(json.dumps(event, default=str) + '\n')


class Refused(Exception):
    """A limit of ours was met; yt-dlp itself would call some of these a success."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Job:
    """What runs now. It also is yt-dlp's log, which speaks often enough to be a good place to stop."""

    def __init__(self, request):
        self.id = request['id']
        self.request = request
        self.tail = collections.deque(maxlen=TAIL_LINES)
        self.refusal = None
        self.told = False
        self.last_progress = 0

    def stop_if_cancelled(self):
        if self.id in cancelled:
            raise DownloadCancelled('cancelled')

    def debug(self, text):
        self.tail.append(text[:400])
        if TOO_LARGE in text:
            self.refuse('too_large', text)
        self.stop_if_cancelled()

    info = debug

    def warning(self, text):
        self.tail.append('WARNING: ' + text[:400])

    def error(self, text):
        self.tail.append(text[:800])

    def refuse(self, kind, message):
        if self.refusal is None:
            self.refusal = Refused(kind, message)
        return message

    def accept(self, info, *, incomplete=False):
        """yt-dlp's match_filter: a text refuses. Asked before and after formats are chosen."""
        self.stop_if_cancelled()
        if info.get('is_live') or info.get('live_status') in ('is_live', 'is_upcoming', 'post_live'):
            return self.refuse('live', 'it is a live stream or has not begun')
        if (info.get('duration') or 0) > self.request['max_duration_sec']:
            return self.refuse('too_long', f'it takes {info["duration"]} seconds')
        if (info.get('filesize') or 0) > self.request['max_bytes']:
            return self.refuse('too_large', f'it has {info["filesize"]} bytes')
        if not self.told and info.get('title'):
            self.told = True
            send(ev='resolved', id=self.id, info=slim(info))
        return None

    def progress(self, state):
        self.stop_if_cancelled()
        done = state.get('downloaded_bytes') or 0
        if done > self.request['max_bytes']:
            self.refuse('too_large', f'more than {self.request["max_bytes"]} bytes came')
            raise DownloadCancelled('too large')
        now = time.monotonic()
        if state['status'] != 'downloading' or now - self.last_progress > PROGRESS_EVERY:
            self.last_progress = now
            total = state.get('total_bytes') or state.get('total_bytes_estimate') or 0
            send(ev='progress', id=self.id, done=int(done), total=int(total))


current = None


class Log:
    """Hands on to the job that runs, since a YoutubeDL serves many."""

    def debug(self, text):
        if current:
            current.debug(text)

    info = debug

    def warning(self, text):
        if current:
            current.warning(text)

    def error(self, text):
        if current:
            current.error(text)


def common(extractors):
    runtime = config['js_runtime']
    return {
        'quiet': True,
        'noprogress': True,
        'logger': Log(),
        'color': 'no_color',
        # An empty text: no proxy, whatever the environment says.
        'proxy': config['proxy'] or '',
        'compat_opts': {'no-certifi'} if config['no_certifi'] else set(),
        'allowed_extractors': extractors,
        'js_runtimes': {runtime['name']: {'path': runtime['path']}},
        'remote_components': set(),
        'cachedir': False,
        'socket_timeout': 15,
        'retries': 3,
        'fragment_retries': 3,
        'extractor_retries': 2,
        'ignoreerrors': False,
        'enable_file_urls': False,
        'geo_bypass': False,
        'noplaylist': True,
        'usenetrc': False,
        'external_downloader': {},
    }


made = {}


def ydl(kind):
    """One for each kind of job, kept: players that were fetched and understood serve the next job too."""
    if kind not in made:
        if kind == 'search':
            options = {
                **common(['youtube:search']),
                'extract_flat': True,
                'extractor_args': {'youtubetab': {'skip': ['webpage']}},
            }
        elif kind == 'describe':
            options = common(['youtube'])
        else:
            options = {
                **common(['youtube']),
                'format': 'ba[acodec=opus]/ba[ext=m4a]/ba',
                'outtmpl': {'default': '%(id)s.%(ext)s'},
                'match_filter': lambda info, *, incomplete=False: current.accept(info, incomplete=incomplete),
                'progress_hooks': [lambda state: current.progress(state)],
                'fixup': 'never',
                'postprocessors': [],
                'overwrites': True,
                'continuedl': False,
                'updatetime': False,
                'writethumbnail': False,
                'windowsfilenames': False,
            }
        made[kind] = yt_dlp.YoutubeDL(options)
    return made[kind]


def text(value):
    return value if isinstance(value, str) and value else None


def number(value):
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def slim(info):
    artists = info.get('artists')
    verified = info.get('channel_is_verified')
    return {
        'id': text(info.get('id')),
        'title': text(info.get('title')),
        'track': text(info.get('track')),
        'artists': [name for name in artists if text(name)] if isinstance(artists, list) else [],
        'album': text(info.get('album')),
        'channel': text(info.get('channel')),
        'uploader': text(info.get('uploader')),
        'channel_verified': bool(verified),
        'description': text(info.get('description')),
        'release_year': number(info.get('release_year')),
        'duration': number(info.get('duration')),
        'view_count': number(info.get('view_count')),
        'is_live': bool(info.get('is_live')) or info.get('live_status') in ('is_live', 'is_upcoming'),
        'ext': text(info.get('ext')),
        'acodec': text(info.get('acodec')),
    }


def stream_duration(url):
    """What the address of the stream says of its length, more exact than the page's whole seconds."""
    try:
        return float(urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)['dur'][0])
    except (KeyError, ValueError, TypeError):
        return None


def search(job):
    limit = max(1, min(int(job.request['limit']), 50))
    downloader = ydl('search')
    downloader.params['playlistend'] = limit
    # The prefix is ours, so nothing in the query can be one.
    found = downloader.extract_info(f'ytsearch{limit}:{job.request["query"]}', download=False, ie_key='YoutubeSearch')
    return {'entries': [slim(entry) for entry in (found.get('entries') or []) if entry]}


def describe(job):
    found = ydl('describe').extract_info(job.request['url'], download=False, ie_key='Youtube', process=False)
    return {'info': slim(found)}


def download(job):
    downloader = ydl('download')
    downloader.params['max_filesize'] = job.request['max_bytes']
    home = os.getcwd()
    os.chdir(job.request['folder'])
    try:
        info = downloader.extract_info(job.request['url'], download=True, ie_key='Youtube') or {}
        if job.refusal:
            raise job.refusal
        written = info.get('requested_downloads') or [{}]
        path = written[0].get('filepath')
        if not path or not os.path.isfile(path) or not os.path.getsize(path):
            raise Refused('no_file', 'the downloader reports success and wrote no file')
        return {
            'info': slim({**info, **{key: written[0][key] for key in ('ext', 'acodec') if key in written[0]}}),
            'file': os.path.abspath(path),
            'stream_duration': stream_duration(written[0].get('url') or info.get('url')),
        }
    finally:
        os.chdir(home)


def ping(job):
    return {}


OPERATIONS = {'search': search, 'describe': describe, 'download': download, 'ping': ping}


def causes(error):
    """Names of the classes behind an error, outermost first."""
    names, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        names.append(type(error).__name__)
        behind = getattr(error, 'exc_info', None)
        error = (behind[1] if behind else None) or error.__cause__ or error.__context__
    return names[:8]


def failure(job, kind, error):
    return {'failure': {
        'kind': kind, 'message': str(error)[:1500], 'causes': causes(error), 'tail': list(job.tail)[-12:],
    }}


def perform(job):
    try:
        return OPERATIONS[job.request['op']](job)
    except DownloadCancelled as error:
        return failure(job, job.refusal.kind, job.refusal) if job.refusal else failure(job, 'cancelled', error)
    except Refused as error:
        return failure(job, error.kind, error)
    except DownloadError as error:
        return failure(job, 'error', error)
    except Exception as error:
        job.tail.append(repr(error)[:800])
        return failure(job, 'internal', error)


def resident_kb():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * (os.sysconf('SC_PAGE_SIZE') // 1024)


def read():
    for line in sys.stdin:
        request = json.loads(line)
        if request['op'] == 'cancel':
            cancelled.add(request['id'])
        else:
            jobs.put(request)
    # Nobody listens any more: end with everything that was started, in the middle of a job too.
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


threading.Thread(target=read, daemon=True).start()
send(ev='ready', version=yt_dlp.version.__version__)
while True:
    current = Job(jobs.get())
    answer = perform(current)
    cancelled.discard(current.id)
    send(ev='done', id=current.id, rss_kb=resident_kb(), **answer)
    current = None
