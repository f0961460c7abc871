# vibeusage in the bash prompt, from the stored segment: drawing it starts no process.
#
#   source /path/to/vibeusage.bash       in ~/.bashrc, after whatever sets PS1
#
# VIBEUSAGE_PROMPT    left (default), or none to place the text yourself, in single quotes so that nothing in it runs:
#                     PS1='${VIBEUSAGE_SEGMENT} \$ '
# VIBEUSAGE_COMMAND   the program, if not `vibeusage` on PATH
#
# Sets VIBEUSAGE_SEGMENT (text, colours between bytes 1 and 2; empty: nothing to show) and, for itself, _vibeusage_now,
# _at, _until, _due, _looked, _started (epoch seconds), _seen, _placed (for what), _dir (cache folder), _mono (1: no colours), _pid (last renderer) and
# _epoch (shell start, where bash is older than 4.2).
#
# Our part of PS1 stands between two pairs of empty \[\]. With promptvars (the default) it names the variable. Without,
# it is the text, `$` cut off by one more \[\] and backtick turned into ': inert should the option change.

case $- in *i*) ;; *) \builtin return 0 ;; esac
if \builtin shopt -q expand_aliases; then _vibeusage_aliases=1; \builtin shopt -u expand_aliases; fi
VIBEUSAGE_SEGMENT='' _vibeusage_looked='' _vibeusage_seen='' _vibeusage_placed='' _vibeusage_started=${_vibeusage_started:-0} _vibeusage_pid=${_vibeusage_pid:-}
builtin printf -v _vibeusage_now '%(%s)T' -1 2>/dev/null || _vibeusage_epoch=$(($(command date +%s) - SECONDS))

_vibeusage_read() {  # 0: VIBEUSAGE_SEGMENT may be shown
  local IFS=$' \t\n' magic version until token due at rest now=$_vibeusage_now known cache=${HOME-}/.cache
  case $OSTYPE in darwin*) cache=${HOME-}/Library/Caches ;; esac
  case ${XDG_CACHE_HOME-} in /*) cache=$XDG_CACHE_HOME ;; esac
  _vibeusage_dir=${VIBEUSAGE_CACHE_DIR:-$cache/vibeusage} _vibeusage_mono=${NO_COLOR:+1}${VIBEUSAGE_NO_COLOR:+1}
  [[ ${TERM-} != dumb ]] || _vibeusage_mono=1
  local file=$_vibeusage_dir/segments/bash${_vibeusage_mono:++mono} generation=$_vibeusage_dir/generation
  VIBEUSAGE_SEGMENT='' _vibeusage_due=0 _vibeusage_looked='' _vibeusage_seen=''
  [[ -f $file && -f $generation ]] && builtin read -r known <"$generation" || return 1
  {
    builtin read -r magic version until token due at rest || return 1
    IFS='' builtin read -r rest || :
  } <"$file"
  [[ $magic == vibeusage-segment && $version == 1 && $known && $token == "$known" ]] || return 1
  case $until$due$at in *[!0-9]*) return 1 ;; esac
  [ "$at" -le "$now" ] && [ "$now" -lt "$until" ] && [ "$due" -ge 0 ] || return 1
  VIBEUSAGE_SEGMENT=$rest _vibeusage_due=$due _vibeusage_looked=$now _vibeusage_at=$at _vibeusage_until=$until
  _vibeusage_seen=${HOME-},${XDG_CACHE_HOME-},${VIBEUSAGE_CACHE_DIR-},${NO_COLOR-},${VIBEUSAGE_NO_COLOR-},${TERM-},$known
}
_vibeusage_same() { # 0: what was read last may still be shown, nothing is due; the generation is all that is looked at
  local now=$_vibeusage_now known=''
  [[ $_vibeusage_seen && -f $_vibeusage_dir/generation ]] || return 1
  ((_vibeusage_at <= now && now < _vibeusage_until && now < _vibeusage_due)) || return 1
  IFS='' builtin read -r known 2>/dev/null <"$_vibeusage_dir/generation" || return 1
  known=${HOME-},${XDG_CACHE_HOME-},${VIBEUSAGE_CACHE_DIR-},${NO_COLOR-},${VIBEUSAGE_NO_COLOR-},${TERM-},$known
  [[ $_vibeusage_seen == "$known" ]] && _vibeusage_looked=$now
}
_vibeusage_start() {  # one renderer at a time; one that takes a minute is given up
  local program=${VIBEUSAGE_COMMAND:-vibeusage} age=$((_vibeusage_now - _vibeusage_started))
  [[ $_vibeusage_dir == /* && ( $age -ge $1 || $age -lt 0 ) ]] && builtin type -P "$program" >/dev/null || return 0
  if [[ $_vibeusage_pid && $age -lt 60 ]] && builtin kill -0 "$_vibeusage_pid"; then return 0; fi
  _vibeusage_started=$_vibeusage_now
  _vibeusage_pid=$(
    builtin trap '' HUP INT QUIT TSTP # keys pressed at the prompt are not for the renderer
    VIBEUSAGE_CACHE_DIR=$_vibeusage_dir NO_COLOR=$_vibeusage_mono exec "$program" line bash </dev/null >/dev/null 2>&1 &
    builtin printf %s "$!"
  )
}
_vibeusage_place() {
  local mark='\[\]\[\]' text=$VIBEUSAGE_SEGMENT ps=${PS1-} backslash=\\ cut='$\[\]' quote="'"
  case $ps in *"$mark"*"$mark"*) ps=${ps%%"$mark"*}${ps#*"$mark"*"$mark"} ;; esac
  if builtin shopt -q promptvars; then
    text=${text:+\$\{VIBEUSAGE_SEGMENT-\}}
  else
    text=${text//"$backslash"/"$backslash$backslash"}
    text=${text//'$'/"$cut"}
    text=${text//'`'/"$quote"}
  fi
  if [[ $text && ${VIBEUSAGE_PROMPT-} != none && $ps != *VIBEUSAGE_SEGMENT* ]]; then ps="$mark$text $mark$ps"; fi
  if [[ $ps != "${PS1-}" ]]; then PS1=$ps; fi
}
_vibeusage_look() {
  if ! _vibeusage_read; then _vibeusage_start 2; elif ((_vibeusage_now >= _vibeusage_due)); then _vibeusage_start 60; fi
}
_vibeusage_prompt() {
  local result=$? state
  _vibeusage_now=${EPOCHSECONDS-}
  if [[ ! $_vibeusage_now ]]; then
    builtin printf -v _vibeusage_now '%(%s)T' -1 2>/dev/null || _vibeusage_now=$((_vibeusage_epoch + SECONDS))
  fi
  if [[ $_vibeusage_now != "$_vibeusage_looked" ]] && ! _vibeusage_same; then _vibeusage_look 2>/dev/null; fi
  state=$VIBEUSAGE_SEGMENT,${VIBEUSAGE_PROMPT-},${BASHOPTS-},
  if [[ $_vibeusage_placed != "$state${PS1-}" ]]; then
    _vibeusage_place
    _vibeusage_placed=$state${PS1-}
  fi
  case $- in *e*) return 0 ;; esac  # with `set -e` a failure here would end the shell
  return "$result"
}
_vibeusage_complete() {
  local words='' IFS=$' \t\n'
  case $COMP_CWORD-${COMP_WORDS[1]} in
    1-*) words='usage line harvest dashboard watch refresh auth providers plugin key alerts status doctor report records history db
      config cache init install uninstall demo' ;;
    2-providers) words='list show enable disable configure order check' ;;
    2-db) words='path init backup restore delete migrate check prune merge export' ;;
    2-plugin) words='list info install enable disable remove new' ;;
    2-report) words='daily weekly monthly yearly sessions blocks models providers projects branches devices heatmap activity insights html' ;;
    2-install | 2-uninstall) words='zsh bash fish tmux starship claude-code copilot qwen cursor agy cron systemd launchd' ;;
    2-line) words='tmux starship zsh bash fish claude-code copilot qwen cursor agy waybar i3blocks polybar screen zjstatus
      swiftbar plain ansi json' ;;
  esac
  case $COMP_CWORD-${COMP_WORDS[1]} in
    1-* | *-usage | *-refresh | *-status | *-history | 2-auth | 2-key | [3-9]-providers)
      words+=" $(command vibeusage providers list --names 2>/dev/null)" ;;
  esac
  # shellcheck disable=SC2207 # bash 3.2 has no mapfile, and no word here has a blank
  COMPREPLY=($(builtin compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}

builtin complete -F _vibeusage_complete vibeusage
if [[ ${PROMPT_COMMAND[*]-} == *_vibeusage_prompt* ]]; then :
elif ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) && [[ $(builtin declare -p PROMPT_COMMAND 2>/dev/null) == "declare -a"* ]]; then
  PROMPT_COMMAND+=(_vibeusage_prompt)
else # shellcheck disable=SC2178,SC2128 # a string here, or an old bash, which runs only the first one of an array
  PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}_vibeusage_prompt"
fi
if [[ ${_vibeusage_aliases-} ]]; then unset _vibeusage_aliases; builtin shopt -s expand_aliases; fi
