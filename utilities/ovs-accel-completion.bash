# -*- shell-script -*-
# Copyright (c) 2026 The OVS-Accel Authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# What bash completes for ovs-accel-bugreport, -textfile and -top, and for
# ovs-appctl: names of commands, and the arguments of those of the accel
# datapath.  What there was for ovs-appctl before still completes the arguments
# of other commands.
#
# Options come from --help and arguments from what the daemon's list-commands
# says, so that nothing has to be kept in step here.

# Completes the current word to one of the words of standard input, one on a
# line.  They are never expanded, for a port's name may be "$(reboot)", and they
# are quoted, for they end up in a command line.
_ovs_accel_words()
{
    local word words

    mapfile -t words
    for word in "${words[@]}"; do
        printf -v word %q "$word"
        if [[ $word == "${COMP_WORDS[COMP_CWORD]}"* ]]; then
            COMPREPLY+=("$word")
        fi
    done
}

_ovs_accel_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
}

_ovs_accel_tool()
{
    COMPREPLY=()
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -i|--interval)
        return
        ;;
    esac
    case ${COMP_WORDS[COMP_CWORD]} in
    -*) _ovs_accel_words < <("$1" --help 2>/dev/null |
                             grep -o -- '--[a-z][a-z-]*' | sort -u) ;;
    *) _ovs_accel_files ;;
    esac
}

# Completes the last of the arguments "$@" of a command whose arguments
# list-commands tells as USAGE, "[-pmd core] [dp]" for instance.  "appctl" is
# how to ask the daemon.
_ovs_accel_arguments()  # USAGE ARGUMENT...
{
    local usage=" ${1//[\[\]|]/ } " previous=
    shift
    test $# -lt 2 || previous=${@:$#-1:1}

    case $previous in
    -pmd)
        _ovs_accel_words < <(
            "${appctl[@]}" dpif-accel/pmd-stats-show 2>/dev/null |
            sed -n 's/^pmd thread .* core_id \([0-9]*\):$/\1/p')
        return
        ;;
    -*)
        # Its value follows in USAGE, if it has one; that is a number.
        case $usage in
        *" $previous "[a-z]*) return ;;
        esac
        ;;
    esac

    _ovs_accel_words < <(
        tr ' ' '\n' <<<"$usage" | grep -x -e '-[a-z]*' -e on -e off
        case $usage in
        *" dp "*)
            "${appctl[@]}" dpctl/dump-dps 2>/dev/null | sed -n 's/^accel@//p'
            ;;
        *" port "*)
            "${appctl[@]}" accelvhost/show 2>/dev/null |
            sed -n 's/^\([^ ].*\):$/\1/p'
            ;;
        esac)
}

_ovs_accel_appctl()
{
    local i word command= appctl=("$1" -T 2)

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -t|--target|-T|--timeout)
            # The shell makes "--target=X" three words.
            test "${COMP_WORDS[i + 1]}" != = || ((i++))
            ((i++))
            if test $i -ge $COMP_CWORD; then
                _ovs_accel_files
                return
            fi
            case $word in
            -t|--target) appctl+=(-t "${COMP_WORDS[i]}") ;;
            esac
            ;;
        -*) ;;
        *)
            command=$word
            break
            ;;
        esac
    done

    case $command in
    '')
        case ${COMP_WORDS[COMP_CWORD]} in
        -*) _ovs_accel_words < <("$1" --option 2>/dev/null |
                                 sed -n 's/^\(--[a-z-]*\).*/\1/p') ;;
        *) _ovs_accel_words < <("${appctl[@]}" list-commands 2>/dev/null |
                                sed -n 's/^  *\([^ ]*\).*/\1/p') ;;
        esac
        ;;
    dpif-accel/*|accelvhost/*)
        _ovs_accel_arguments "$("${appctl[@]}" list-commands 2>/dev/null |
                                sed -n "s,^  *$command  *,,p")" \
                             "${COMP_WORDS[@]:i + 1:COMP_CWORD - i}"
        ;;
    *)
        test -z "$_ovs_accel_appctl_before" || "$_ovs_accel_appctl_before" "$@"
        ;;
    esac
}

# This may be loaded more than once.
if test "$(complete -p ovs-appctl 2>/dev/null |
           grep -o _ovs_accel_appctl)" != _ovs_accel_appctl; then
    _ovs_accel_appctl_before=$(complete -p ovs-appctl 2>/dev/null |
                               sed -n 's/.* -F \([^ ]*\) .*/\1/p')
fi
complete -F _ovs_accel_appctl ovs-appctl
complete -F _ovs_accel_tool ovs-accel-bugreport ovs-accel-textfile ovs-accel-top
