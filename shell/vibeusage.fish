# vibeusage in the fish prompt, from the stored segment: drawing it starts no process.
#
#   source /path/to/vibeusage.fish       in ~/.config/fish/config.fish, or a copy in ~/.config/fish/conf.d/
#
# VIBEUSAGE_PROMPT    right (default), left, or none to place the text yourself: echo -n "$VIBEUSAGE_SEGMENT"
# VIBEUSAGE_COMMAND   the program, if not `vibeusage` on PATH
#
# Sets VIBEUSAGE_SEGMENT (text with SGR colours; empty: nothing to show) and, for itself, _vibeusage_dir (cache folder),
# _mono (+mono: no colours), _now, _due, _looked, _started (epoch seconds), _ages, _seen and _token
# (what the text holds for), _flying (1: a renderer runs). SIGURG, which does nothing elsewhere, tells this shell that the
# renderer has ended. fish before 3.5 has no clock: one `date` a look.

status is-interactive; or return 0
set -g VIBEUSAGE_SEGMENT ''
set -g _vibeusage_looked 0
set -q _vibeusage_started; or set -g _vibeusage_started 0
set -q _vibeusage_flying; or set -g _vibeusage_flying 0
set -g _vibeusage_caches $HOME/.cache
test -d $HOME/Library/Caches; and test (command uname) = Darwin; and set _vibeusage_caches $HOME/Library/Caches

function _vibeusage_clock
    while builtin -q path # a time stamp plus its age is now, unless the stamp changed in between
        set -l stamp (builtin path mtime /) (builtin path mtime -R /) (builtin path mtime /)
        test "$stamp[1]" = "$stamp[3]"; or continue
        set -g _vibeusage_now (builtin math $stamp[1] + $stamp[2])
        return
    end
    set -g _vibeusage_now (command date +%s)
end
function _vibeusage_read # 0: VIBEUSAGE_SEGMENT may be shown
    set -g VIBEUSAGE_SEGMENT ''
    set -g _vibeusage_seen ''
    set -g _vibeusage_looked 0
    set -g _vibeusage_mono ''
    test -n "$NO_COLOR$VIBEUSAGE_NO_COLOR" -o "$TERM" = dumb; and set _vibeusage_mono +mono
    set -g _vibeusage_dir $_vibeusage_caches/vibeusage
    string match -q '/*' -- "$XDG_CACHE_HOME"; and set _vibeusage_dir $XDG_CACHE_HOME/vibeusage
    test -n "$VIBEUSAGE_CACHE_DIR"; and set _vibeusage_dir $VIBEUSAGE_CACHE_DIR
    set -l file $_vibeusage_dir/segments/fish$_vibeusage_mono
    test -f $file -a -r $file -a -f $_vibeusage_dir/generation -a -r $_vibeusage_dir/generation; or return
    read -l token <$_vibeusage_dir/generation
    read -lz raw <$file
    set -l lines (string split \n -- $raw)
    set -l head (string split ' ' -- $lines[1])
    test -n "$token" -a "$head[1] $head[2] $head[4]" = "vibeusage-segment 1 $token"; or return
    string match -qr '^(\d{1,15} ){3}$' -- "$head[3] $head[5] $head[6] "; or return
    test $head[6] -le $_vibeusage_now -a $_vibeusage_now -lt $head[3]; or return
    set VIBEUSAGE_SEGMENT "$lines[2]"
    set _vibeusage_looked $_vibeusage_now
    set -g _vibeusage_due $head[5]
    set -g _vibeusage_token $token
    builtin -q path; or return 0
    # the same limits as ages of the generation, which one builtin tells
    set -l since (builtin path mtime $_vibeusage_dir/generation)
    set -g _vibeusage_ages (builtin math $head[6] - $since) (builtin math "min($head[3], $head[5]) - $since")
    set -g _vibeusage_seen "$HOME,$XDG_CACHE_HOME,$VIBEUSAGE_CACHE_DIR,$NO_COLOR,$VIBEUSAGE_NO_COLOR,$TERM"
end
function _vibeusage_same # 0: what was read last may still be shown and nothing is due; the generation is all that is looked at
    test "$_vibeusage_seen" = "$HOME,$XDG_CACHE_HOME,$VIBEUSAGE_CACHE_DIR,$NO_COLOR,$VIBEUSAGE_NO_COLOR,$TERM" -a -f "$_vibeusage_dir/generation"
    or return
    builtin path mtime -R $_vibeusage_dir/generation | read -l age; or return
    read -l token <$_vibeusage_dir/generation
    test "$token" = "$_vibeusage_token" -a $age -ge $_vibeusage_ages[1] -a $age -lt $_vibeusage_ages[2]
end
function _vibeusage_start # one renderer at a time, none within $argv seconds of the last start; a minute is given up
    set -l program vibeusage
    test -n "$VIBEUSAGE_COMMAND"; and set program $VIBEUSAGE_COMMAND
    set -l age (builtin math $_vibeusage_now - $_vibeusage_started)
    test $age -lt 0 -o $age -ge $argv -a \( $_vibeusage_flying = 0 -o $age -ge 60 \); or return
    string match -q '/*' -- $_vibeusage_dir; and command -q $program; or return
    set -g _vibeusage_started $_vibeusage_now
    set -g _vibeusage_flying 1
    set -l last $last_pid # stays the user's
    set -lx VIBEUSAGE_CACHE_DIR $_vibeusage_dir
    set -lx NO_COLOR $_vibeusage_mono
    command sh -c 'trap "" HUP INT QUIT TSTP; "$@"; kill -URG "$0"' $fish_pid $program line fish &>/dev/null </dev/null &
    builtin disown $last_pid 2>/dev/null
    set -g last_pid $last
end
function _vibeusage_landed --on-signal URG
    set -g _vibeusage_flying 0
    set -l old "$VIBEUSAGE_SEGMENT"
    _vibeusage_clock
    _vibeusage_read
    test "$old" = "$VIBEUSAGE_SEGMENT"; or builtin commandline -f repaint
end
function _vibeusage_prompt --on-event fish_prompt
    if not _vibeusage_same
        _vibeusage_clock
        _vibeusage_read; or _vibeusage_start 2
        test $_vibeusage_looked != 0; and test $_vibeusage_now -ge $_vibeusage_due; and _vibeusage_start 60
    end
    builtin functions -q _vibeusage_wrap; and _vibeusage_wrap
end
function _vibeusage_wrap # once, at the first prompt: by then config.fish and the theme have defined theirs
    builtin functions -e _vibeusage_wrap
    builtin functions fish_prompt fish_mode_prompt fish_right_prompt | string match -q '*VIBEUSAGE_SEGMENT*'; and return
    builtin functions -e _vibeusage_inner
    if test "$VIBEUSAGE_PROMPT" = left # drawn in front of fish_prompt, which so keeps its view of $status and $pipestatus
        builtin functions -q fish_mode_prompt; or function fish_mode_prompt; end
        builtin functions -c fish_mode_prompt _vibeusage_inner
        function fish_mode_prompt
            test -n "$VIBEUSAGE_SEGMENT"; and builtin printf '%s ' "$VIBEUSAGE_SEGMENT"
            _vibeusage_inner
        end
    else if test "$VIBEUSAGE_PROMPT" != none
        builtin functions -q fish_right_prompt; or function fish_right_prompt; end
        builtin functions -c fish_right_prompt _vibeusage_inner
        function fish_right_prompt
            _vibeusage_inner # fish joins what are lines here
            test -n "$VIBEUSAGE_SEGMENT"; and builtin printf ' %s' "$VIBEUSAGE_SEGMENT"
        end
    end
end
builtin complete -c vibeusage -f -n __fish_use_subcommand -a 'usage line harvest dashboard watch refresh auth providers plugin key alerts status doctor report records history db config cache
    init install uninstall demo'
builtin complete -c vibeusage -f -n '__fish_use_subcommand; or __fish_seen_subcommand_from usage refresh auth key status history providers' -a '(command vibeusage providers list --names 2>/dev/null)'
builtin complete -c vibeusage -f -n '__fish_seen_subcommand_from providers' -a 'list show enable disable configure order check'
builtin complete -c vibeusage -f -n '__fish_seen_subcommand_from db' -a 'path init backup restore delete migrate check prune merge export'
builtin complete -c vibeusage -f -n '__fish_seen_subcommand_from plugin' -a 'list info install enable disable remove new'
builtin complete -c vibeusage -f -n '__fish_seen_subcommand_from report' -a 'daily weekly monthly yearly sessions blocks models providers projects branches devices heatmap activity insights html'
builtin complete -c vibeusage -f -n '__fish_seen_subcommand_from install uninstall' -a 'zsh bash fish tmux starship
    claude-code copilot qwen cursor agy cron systemd launchd'
builtin complete -c vibeusage -f -n '__fish_seen_subcommand_from line' -a 'tmux starship zsh bash fish claude-code copilot qwen
    cursor agy waybar i3blocks polybar screen zjstatus swiftbar plain ansi json'
