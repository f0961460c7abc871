# prompt.bash HOOK COUNT MODE: draw COUNT prompts; MODE is none, hook, look or read (the hook as at the first prompt of a
# second, or as after a change of the stored segment).
count=$2
PS1='\u@\h:\w\$ '
[[ $3 == none ]] || source "$1"
case $3 in
  none) for ((i = 0; i < count; i++)); do : "${PS1@P}"; done ;;
  hook) for ((i = 0; i < count; i++)); do _vibeusage_prompt; : "${PS1@P}"; done ;;
  look) for ((i = 0; i < count; i++)); do _vibeusage_looked='' && _vibeusage_prompt; : "${PS1@P}"; done ;;
  read) for ((i = 0; i < count; i++)); do _vibeusage_looked='' _vibeusage_seen='' && _vibeusage_prompt; : "${PS1@P}"; done ;;
esac
[[ $3 == none || $count == 0 || $VIBEUSAGE_SEGMENT && $_vibeusage_looked && $_vibeusage_seen ]]
exit
